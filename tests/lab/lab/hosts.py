"""Hosts of the lab network: names, addresses and roles.

network.py connects them, services.py starts their servers.
"""

DOMAIN = "corp.example"

#: Ten desks. `.20` is the monitoring host; the developers use SSH the most.
CLIENTS = {f"desk{n}": f"10.10.1.{n}" for n in range(11, 20)} | {"monitor": "10.10.1.20"}
DEVELOPERS = ("desk12", "desk15", "desk18")

SERVERS = {
    "shell": "10.10.2.22",  # sshd
    "files": "10.10.2.30",  # sshd, rsync daemon
    "infra": "10.10.2.53",  # dnsmasq (resolver), chronyd
    "cache": "10.10.2.63",  # memcached
    "web": "10.10.2.80",  # nginx, HTTP and HTTPS
}

#: The "internet": documentation addresses (RFC 5737).
INTERNET = {
    "www": "203.0.113.10",  # nginx
    "news": "203.0.113.20",  # nginx
    "shop": "198.51.100.30",  # nginx
    "home": "203.0.113.40",  # an administrator working from home
    "ns": "203.0.113.53",  # nsd, the zones of ordinary names
}

#: Hosts that only the attacks contact.
HOSTILE = {
    "guesser": "203.0.113.66",  # where the password guesses come from
    "drop": "203.0.113.90",  # nginx that takes uploads
    "tunnel": "198.51.100.53",  # nsd, the tunnel's name server
    "holder": "198.51.100.66",  # nc, the far end of the silent connection
    "beacon": "198.51.100.77",  # nginx, polled by the beacon
    "iodine": "198.51.100.87",  # iodined, the name server of its domain
    "dns2tcp": "198.51.100.88",  # dns2tcpd, the name server of its domain
    "collector": "198.51.100.89",  # nsd, the name server of the exfiltration's domain
}

HOSTS = CLIENTS | SERVERS | INTERNET | HOSTILE

#: Unused addresses: packets to them are never answered.
DARK = ("10.10.2.99", "10.10.2.140", "203.0.113.200")

#: Ordinary public sites: host name in a URL -> host in the lab.
SITES = {
    "www.example.com": "www",
    "static.example.com": "www",
    "news.example.net": "news",
    "shop.example.org": "shop",
}

TUNNEL_DOMAIN = "sync.example.net"
IODINE_DOMAIN = "t.pine-harbor.example"
DNS2TCP_DOMAIN = "d.grey-otter.example"
EXFILTRATION_DOMAIN = "x.quiet-meadow.example"
CACHE_PORT = 11211
HOLD_PORT = 8443
USERS = {"anna": "Seven-Green-Boats", "ben": "paper7lantern", "ops": "slow.cedar.4"}
