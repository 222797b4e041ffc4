"""The names of the internet on the days of DNS: web sites, content networks, cloud services, mail.

They are invented, and the same on each day. dns_actions.py resolves them.
"""

import random
import string
from dataclasses import dataclass

from .hosts import DOMAIN, HOSTS

WORDS = ("amber", "anchor", "birch", "bridge", "cedar", "cloud", "copper", "delta", "ember", "falcon", "garden", "harbor",
         "island", "juniper", "kettle", "lantern", "maple", "meadow", "north", "orchard", "paper", "quartz", "river",
         "saffron", "timber", "union", "valley", "willow", "yellow", "zephyr")
SUFFIXES = ("com",) * 6 + ("net", "org", "io", "de", "co.uk", "example", "example")
REGIONS = ("eu-west-1", "eu-central-1", "us-east-2")
SITE_COUNT = 70

CONTENT_NETWORK, EDGE_NETWORK = "edgefrost.net", "cachelane.com"
STORAGE, INGEST = "blob.skystore.io", "ingest.meterflow.io"
TRACKERS = ("pixel.trackpost.net", "ads.bannerworks.com", "cdn.fontcellar.org", "tags.meterflow.io")
BLOCK_LIST = "bl.spamledger.org"
UPDATES = ("deb.softhouse.org", "security.softhouse.org", "connect.softhouse.org")
TIME = tuple(f"{n}.pool.timehouse.org" for n in range(4))


@dataclass(frozen=True)
class Site:
    """A web site: its domain, and the hosts of others that its pages name."""

    domain: str
    parts: tuple[str, ...]


def token(rng, size, alphabet=string.ascii_lowercase + string.digits):
    return "".join(rng.choice(alphabet) for _ in range(size))


def sites():
    """All sites, the most popular first."""
    rng = random.Random("sites")
    found = {}
    while len(found) < SITE_COUNT:
        name = rng.choice(WORDS) + rng.choice(("", "", "-")) + rng.choice(WORDS) + "." + rng.choice(SUFFIXES)
        parts = [f"static.{name}"]
        parts += [f"d{token(rng, 13)}.{CONTENT_NETWORK}" for _ in range(rng.choice((0, 1, 1, 2)))]
        if rng.random() < 0.4:
            parts.append(f"{token(rng, 8, string.hexdigits.lower()[:16])}-{name.split('.')[0]}.{EDGE_NETWORK}")
        parts += rng.sample(TRACKERS, rng.choice((0, 1, 2)))
        found[name] = Site(name, tuple(parts))
    return tuple(found.values())


SITES = sites()


def root_zone():
    """One zone with every public name; other names do not exist."""
    rng = random.Random("zone")
    lines = [". 86400 IN SOA a.root.example. admin.example. 1 3600 600 86400 60",
             ". 86400 IN NS a.root.example.", f"a.root.example. 86400 IN A {HOSTS['ns']}"]

    def address():
        return f"{rng.choice(('203.0.113', '198.51.100'))}.{rng.randrange(100, 250)}"

    def addresses(name, ttl, count=1, six=False):
        for _ in range(count):
            lines.append(f"{name}. {ttl} IN A {address()}")
            if six:
                lines.append(f"{name}. {ttl} IN AAAA 2001:db8::{rng.randrange(1, 65536):x}")

    for site in SITES:
        name = site.domain
        addresses(name, rng.choice((60, 300, 3600)), six=rng.random() < 0.4)
        lines.append(f"www.{name}. 300 IN CNAME {name}.")
        cdn = next((part for part in site.parts if part.endswith(CONTENT_NETWORK)), None)
        lines.append(f"static.{name}. 300 IN CNAME {cdn}." if cdn else f"static.{name}. 300 IN A {address()}")
        if rng.random() < 0.4:
            lines.append(f'{name}. 300 IN HTTPS 1 . alpn="h2"')
        lines += [f"{name}. 3600 IN MX 10 mail.{name}.", f'{name}. 3600 IN TXT "v=spf1 mx include:spf.{name} -all"',
                  f'spf.{name}. 3600 IN TXT "v=spf1 ip4:{address()} -all"',
                  f'_dmarc.{name}. 3600 IN TXT "v=DMARC1; p=quarantine; rua=mailto:dmarc@{name}"',
                  f's1._domainkey.{name}. 3600 IN TXT "v=DKIM1; k=rsa; p={token(rng, 216, string.ascii_letters + string.digits)}"']
        addresses(f"mail.{name}", 3600)
        if rng.random() < 0.3:
            lines.append(f"_sip._tls.{name}. 3600 IN SRV 10 5 5061 sip.{name}.")
            addresses(f"sip.{name}", 3600)
    addresses(f"*.{CONTENT_NETWORK}", 60, count=4)
    addresses(f"*.{EDGE_NETWORK}", 20, count=2, six=True)
    addresses(f"*.{STORAGE}", 60)
    for region in REGIONS:
        addresses(f"*.{region}.{INGEST}", 60, count=3)
    for name in (*TRACKERS, *UPDATES):
        addresses(name, 300, count=2, six=name in UPDATES)
    for name in TIME:
        addresses(name, 130, count=4)
    for n in range(100, 250):
        if rng.random() < 0.7:
            lines.append(f"{n}.113.0.203.in-addr.arpa. 3600 IN PTR host-{n}.{rng.choice(SITES).domain}.")
    return "\n".join(lines) + "\n"


def local_services():
    """Services of the lab's own domain, which the resolver answers itself, as dnsmasq options."""
    return "".join(f"srv-host={service}.{DOMAIN},{name}.{DOMAIN},{port}\n"
                   for service, name, port in (("_ldap._tcp.dc._msdcs", "infra", 389), ("_kerberos._tcp", "infra", 88),
                                               ("_ldap._tcp", "infra", 389)))
