"""Timetable of a day in virtual seconds; play.py runs it.

The same seed gives the same timetable.
"""

import random
from datetime import datetime, timezone

from . import actions, dns_timetable
from .hosts import CACHE_PORT, CLIENTS, DEVELOPERS, DOMAIN, HOLD_PORT, HOSTS, SERVERS
from .plan import Action, Day, poisson, regular

PORT_SCAN = "Malicious-port-scan"
PASSWORD_GUESSING = "Malicious-password-guessing"
EXFILTRATION = "Malicious-exfiltration"
BEACON = "Malicious-beacon"
DNS_TUNNEL = "Malicious-dns-tunnel"
LONG_CONNECTION = "Malicious-long-connection"
ATTACKS = (PORT_SCAN, PASSWORD_GUESSING, EXFILTRATION, BEACON, DNS_TUNNEL, LONG_CONNECTION)

#: Number of actions of one desk in a usual hour.
DESK_RATE = {
    actions.browse: 2.2,
    actions.intranet: 1.2,
    actions.wget: 0.3,
    actions.form: 0.35,
    actions.download: 0.2,
    actions.lookup: 2.2,
    actions.mistyped_name: 0.3,
    actions.refused: 0.15,
    actions.unanswered: 0.15,
    actions.dark_lookup: 0.05,
    actions.aborted: 0.12,
    actions.reset: 0.08,
    actions.ping: 0.25,
    actions.dark_ping: 0.05,
    actions.docs: 0.35,
}

#: Number of sessions of one developer in an hour; the others have a fifth of it.
SESSION_RATE = {
    actions.ssh_command: 0.5,
    actions.ssh_interactive: 0.25,
    actions.ssh_mistyped: 0.08,
    actions.scp_get: 0.2,
    actions.scp_put: 0.2,
    actions.sftp: 0.12,
    actions.rsync_ssh: 0.2,
}

DAYS = (
    Day("lab-day1", 20250304, datetime(2025, 3, 4, 8, tzinfo=timezone.utc), 5, attacks=False),
    Day("lab-day2", 20250305, datetime(2025, 3, 5, 8, tzinfo=timezone.utc), 10, attacks=True),
    Day("lab-dns-day1", 20250306, datetime(2025, 3, 6, 8, tzinfo=timezone.utc), 5, attacks=False, log="dns"),
    Day("lab-dns-day2", 20250307, datetime(2025, 3, 7, 8, tzinfo=timezone.utc), 7, attacks=True, log="dns"),
)


def timetable(day):
    """All actions of a day, by virtual start."""
    plan = []
    if day.log == "dns":
        dns_timetable.fill(day, plan)
    else:
        fill(day, plan)
    plan.sort(key=lambda action: action.start)
    for n, action in enumerate(plan):
        action.name = f"{action.kind}.{n}"
    return plan


def fill(day, plan):
    """Adds the actions of a day with all services."""
    for host in (*CLIENTS, "home"):
        rng = random.Random(f"{day.seed} {host}")
        desk(day, rng, host, plan)
        sessions(day, rng, host, plan)
    for host in (*CLIENTS, "home", "shell", "files", "web", "cache"):
        rng = random.Random(f"{day.seed} ntp {host}")
        for start in regular(day, rng, 1024, 30):
            plan.append(Action(start, host, "ntp", actions.ntp(rng, host)))
    monitoring(day, random.Random(f"{day.seed} monitoring"), plan)
    cache_clients(day, random.Random(f"{day.seed} cache"), plan)
    if day.attacks:
        attacks(day, plan)


def desk(day, rng, host, plan):
    share = {"monitor": 0.15, "home": 0.5}.get(host, 1.0)
    kinds = list(DESK_RATE)
    for start in poisson(day, rng, share * sum(DESK_RATE.values())):
        (kind,) = rng.choices(kinds, DESK_RATE.values())
        plan.append(Action(start, host, kind.__name__, kind(rng, host)))
    if host in DEVELOPERS:
        for start in poisson(day, rng, 0.8):
            plan.append(Action(start, host, "cache", actions.cache(rng, host)))


def sessions(day, rng, host, plan):
    share = 1.0 if host in DEVELOPERS else 0.6 if host == "home" else 0.2
    kinds = list(SESSION_RATE)
    for start in poisson(day, rng, share * sum(SESSION_RATE.values())):
        (kind,) = rng.choices(kinds, SESSION_RATE.values())
        to = rng.choice(("shell", "files"))
        action = Action(start, host, kind.__name__, kind(rng, host, to), "session", resolve=f"{to}.{DOMAIN}")
        if kind is actions.ssh_interactive:
            action.typed = typing(rng)
        plan.append(action)


def typing(rng):
    """The lines of an interactive session with the pauses of a person who reads."""
    lines, at = [], 2.0
    for _ in range(rng.randrange(3, 14)):
        at += min(200.0, max(2.0, rng.lognormvariate(3.2, 0.9)))
        lines.append((at, rng.choice(actions.TYPED) + "\n"))
    return [*lines, (at + rng.uniform(1, 60), "exit\n")]


def monitoring(day, rng, plan):
    """Adds regular harmless traffic: the same checks every ten minutes."""
    checks = {
        "check-web": f"curl -s -o /dev/null http://web.{DOMAIN}/health",
        "check-shop": "curl -sk -o /dev/null https://shop.example.org/health",
        "check-cache": f"printf 'version\\r\\nquit\\r\\n' | nc {SERVERS['cache']} {CACHE_PORT}",
        "check-files": f"ping -q -n -c 1 {SERVERS['files']}",
    }
    for kind, command in checks.items():
        for start in regular(day, rng, 600, 2):
            plan.append(Action(start, "monitor", kind, command))


def cache_clients(day, rng, plan):
    """Adds connections of the intranet server to the cache, one after the other, each open for about an hour."""
    at = -2400.0
    while (at := at + rng.uniform(300, 3600)) < day.seconds:
        typed, then = [], 0.0
        for _ in range(rng.randrange(12, 50)):
            then += rng.uniform(15, 220)
            typed.append((then, f"get page:{rng.randrange(500)}\r\n"))
        typed.append((then + 1, "quit\r\n"))
        plan.append(Action(at, "web", "cache-client", f"nc {SERVERS['cache']} {CACHE_PORT}", "held",
                           typed=typed, target=(SERVERS["cache"], CACHE_PORT)))
        at += then


def attacks(day, plan):
    """Adds the six attacks of the second day, each from a host that also does ordinary work,
    except password guessing, which comes from outside."""
    rng = random.Random(f"{day.seed} attacks")

    def hour(clock):
        return (clock - day.begin.hour) * 3600 + rng.uniform(0, 120)

    for clock, command in zip((11.4, 11.55, 14.8), actions.port_scans()):
        plan.append(Action(hour(clock), "desk16", "port-scan", command, label=PORT_SCAN, alone=True))
    for clock, count in ((10.7, 18), (16.2, 14)):
        start = hour(clock)
        for _ in range(count):
            plan.append(Action(start, "guesser", "password-guess", actions.password_guess(rng), "session",
                               label=PASSWORD_GUESSING))
            start += rng.uniform(4, 9)
    for n, clock in enumerate((15.5, 15.7, 17.1)):
        plan.append(Action(hour(clock), "desk14", "exfiltration", actions.exfiltration(n), label=EXFILTRATION))
    for start in regular(day, rng, 300, 15, begin=hour(8.4)):
        plan.append(Action(start, "desk17", "beacon", actions.beacon(), label=BEACON))
    start = hour(13.1)
    for _ in range(80):
        plan.append(Action(start, "desk19", "dns-tunnel", actions.tunnel_query(rng), label=DNS_TUNNEL))
        start += rng.expovariate(1 / 30)
    start = hour(8.1)
    # Zeek removes a TCP connection after five silent minutes.
    typed, at = [], 0.0
    while start + (at := at + rng.uniform(225, 250)) < day.seconds:
        typed.append((at, "\n"))
    plan.append(Action(start, "desk13", "long-connection", f"nc {HOSTS['holder']} {HOLD_PORT}", "held",
                       label=LONG_CONNECTION, typed=typed, target=(HOSTS["holder"], HOLD_PORT), stays_open=True))
