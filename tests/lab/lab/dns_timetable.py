"""The timetable of the days of DNS; play.py runs it."""

import random

from . import dns_actions as actions
from .hosts import CLIENTS, DNS2TCP_DOMAIN, IODINE_DOMAIN
from .plan import Action, poisson, regular

IODINE = "Malicious-iodine"
DNS2TCP = "Malicious-dns2tcp"
EXFILTRATION = "Malicious-dns-exfiltration"
GENERATED_DOMAINS = "Malicious-generated-domains"

#: Number of actions of one desk in a usual hour.
DESK_RATE = {
    actions.page: 2.4,
    actions.storage: 0.4,
    actions.ingest: 0.5,
    actions.intranet: 1.0,
    actions.mistyped: 0.4,
    actions.reverse: 0.5,
    actions.updates: 0.4,
    actions.time: 0.3,
    actions.services: 0.5,
    actions.browser_start: 0.1,
}


def fill(day, plan):
    """Adds the actions of desks, mail and shell servers, multicast DNS, and the attacks."""
    for host in CLIENTS:
        rng = random.Random(f"{day.seed} {host}")
        share = 0.3 if host == "monitor" else 1.0
        kinds = list(DESK_RATE)
        for start in poisson(day, rng, share * sum(DESK_RATE.values())):
            (kind,) = rng.choices(kinds, DESK_RATE.values())
            plan.append(Action(start, host, kind.__name__, kind(rng, host)))
    for host, kind, rate in (("web", actions.mail, 6), ("shell", actions.login_log, 6)):
        rng = random.Random(f"{day.seed} {host}")
        for start in poisson(day, rng, rate):
            plan.append(Action(start, host, kind.__name__, kind(rng, host)))
    multicast(day, random.Random(f"{day.seed} multicast"), plan)
    # The recording is much shorter than the virtual day, so without expiry the resolver would answer from its cache.
    rng = random.Random(f"{day.seed} cache")
    for start in regular(day, rng, 900, 10):
        plan.append(Action(start, "infra", "cache-expiry", actions.cache_expiry()))
    if day.attacks:
        attacks(day, plan)


def multicast(day, rng, plan):
    """Adds multicast DNS, far enough apart that Zeek does not join the packets of two actions."""
    for start in regular(day, rng, 900, 200):
        host = rng.choice(list(CLIENTS))
        kind = rng.choice((actions.mdns_scan, actions.mdns_wake))
        plan.append(Action(start, host, kind.__name__, kind(rng, host), "mdns"))


def attacks(day, plan):
    """Adds the attacks, each from a desk that also does ordinary work."""
    rng = random.Random(f"{day.seed} attacks")

    def hour(clock):
        return (clock - day.begin.hour) * 3600 + rng.uniform(0, 120)

    plan.append(Action(hour(9.3), "desk13", "iodine", actions.iodine(rng), "domain", IODINE, domain=IODINE_DOMAIN))
    plan.append(Action(hour(11.2), "desk17", "dns2tcp", actions.dns2tcp(rng), "domain", DNS2TCP, domain=DNS2TCP_DOMAIN))
    start = hour(10.2)
    for n in range(120):
        plan.append(Action(start, "desk15", "exfiltration", actions.exfiltrate(n), label=EXFILTRATION))
        start += rng.uniform(3, 12)
    start = hour(12.8)
    for n in range(350):
        plan.append(Action(start, "desk19", "generated-domain", actions.generated_domain(n), label=GENERATED_DOMAINS))
        start += rng.expovariate(1 / 10)
