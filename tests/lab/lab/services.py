"""The servers of the lab: real programs from Debian, configured and started.

Nothing is installed or left behind: files live in the private /run, /etc and /home
that network.build() mounted.
"""

import os
import random
import subprocess
import sys
import time
from pathlib import Path

from . import dns_actions, domains
from .hosts import (
    CACHE_PORT, CLIENTS, DARK, DNS2TCP_DOMAIN, DOMAIN, EXFILTRATION_DOMAIN, HOLD_PORT, HOSTS, IODINE_DOMAIN, SERVERS, SITES,
    TUNNEL_DOMAIN, USERS,
)
from .network import WORK, in_host, run

PAGES, ASSETS, FILES = 40, 24, 6
SSH_CONFIG = WORK / "ssh_config"
#: One algorithm of each kind: the default lists would be half of the bytes of a short session.
ALGORITHMS = "KexAlgorithms curve25519-sha256\nCiphers aes128-gcm@openssh.com\nHostKeyAlgorithms ssh-ed25519\n"


def start(seed):
    """Starts every server and returns when each of them answers."""
    rng = random.Random(f"content {seed}")
    names()
    content(rng)
    run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256",
        "-nodes", "-days", "3650", "-subj", "/O=Example/CN=www.example.com",
        "-keyout", f"{WORK}/key.pem", "-out", f"{WORK}/cert.pem")
    for host in ("web", "www", "news", "shop", "drop", "beacon"):
        nginx(host)
    users()
    for host in ("shell", "files"):
        sshd(host)
    rsyncd()
    memcached()
    chronyd()
    nsd("ns", public_zones())
    nsd("tunnel", {TUNNEL_DOMAIN: tunnel_zone(rng)})
    dnsmasq({TUNNEL_DOMAIN: "tunnel"})
    daemon("holder", "nc", "-l", "-k", "-p", str(HOLD_PORT))
    for host, port in (("web", 443), ("www", 443), ("news", 443), ("shop", 443), ("drop", 443),
                       ("beacon", 80), ("shell", 22), ("files", 22), ("files", 873),
                       ("cache", CACHE_PORT), ("infra", 53), ("ns", 53), ("tunnel", 53),
                       ("holder", HOLD_PORT)):
        await_port(host, port)


def start_dns(seed):
    """Starts the servers of the days of DNS: resolver, name servers, avahi, and the servers of the tunnels."""
    names()
    content(random.Random(f"content {seed}"))
    nsd("ns", {"": domains.root_zone()})
    nsd("collector", {EXFILTRATION_DOMAIN: collector_zone()})
    dnsmasq({IODINE_DOMAIN: "iodine", DNS2TCP_DOMAIN: "dns2tcp", EXFILTRATION_DOMAIN: "collector"},
            domains.local_services())
    for host in ("iodine", "dns2tcp"):
        plain_nginx(host)
    daemon("iodine", "iodined", "-f", "-P", "rain-on-tin", "-l", HOSTS["iodine"], "-d", "dns0", "172.31.9.1/27",
           IODINE_DOMAIN)
    dns2tcpd()
    for host in (*CLIENTS, "web", "files"):
        avahi(host)
    for host in ("web", "files"):
        daemon(host, "sh", "-c", dns_actions.avahi(host))
    for host, port in (("infra", 53), ("ns", 53), ("collector", 53), ("iodine", 80), ("dns2tcp", 80)):
        await_port(host, port)
    # Their announcements take some seconds.
    time.sleep(6)


def write(name, text, mode=0o600):
    path = Path(WORK, name)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)
    path.chmod(mode)
    return str(path)


def daemon(host, *command):
    log = open(WORK / f"{host}.log", "ab")
    subprocess.Popen(in_host(host, *command), stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def await_port(host, port):
    """Waits until the kernel's table shows that a process listens on a TCP port of the host."""
    wanted = f":{port:04X} "
    for _ in range(200):
        table = subprocess.run(in_host(host, "cat", "/proc/self/net/tcp"), capture_output=True, text=True)
        if any(wanted in line and " 0A " in line for line in table.stdout.splitlines()):
            return
        time.sleep(0.05)
    log = Path(WORK, f"{host}.log")
    sys.exit(f"make-lab: nothing listens on {host}:{port}: {log.read_text() if log.exists() else ''}")


def names():
    """Configures one resolver for all hosts, and no other source of names."""
    Path("/etc/resolv.conf").unlink(missing_ok=True)
    Path("/etc/resolv.conf").write_text(f"nameserver {SERVERS['infra']}\noptions timeout:2 attempts:1\n")
    Path("/etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nshadow: files\nhosts: files dns\n")
    Path("/etc/hosts").write_text("127.0.0.1 localhost\n")


def content(rng):
    """Writes pages, assets and files of differing sizes; as text, so that none looks encrypted."""
    words = "the of network report garden river signal table winter paper stone market".split()

    def text(size):
        out = "<html><body><p>"
        while len(out) < size:
            out += rng.choice(words) + " "
        return out[:size]

    root = WORK / "site"
    for directory in ("p", "a", "f", "slow"):
        (root / directory).mkdir(parents=True)
    for n in range(PAGES):
        (root / f"p/{n}.html").write_text(text(min(6000, int(rng.lognormvariate(6.3, 0.8)))))
    for n in range(ASSETS):
        (root / f"a/{n}.css").write_text(text(min(4000, int(rng.lognormvariate(5.8, 0.9)))))
    for n in range(FILES):
        (root / f"f/{n}.txt").write_text(text(rng.randrange(4_000, 12_000)))
    (root / "slow/0.txt").write_text(text(20_000))
    (root / "health").write_text("ok\n")
    (root / "index.html").write_text(text(1400))
    for n in range(8):
        Path(WORK, f"note{n}.txt").write_text(text(rng.randrange(200, 2200)))
    for n in range(3):
        Path(WORK, f"archive{n}.bin").write_bytes(rng.randbytes(rng.randrange(100_000, 140_000)))


def nginx(host):
    inside = host == "web"
    rate = "" if inside else "limit_rate 60k;"
    body = "dav_methods PUT; create_full_put_path on;" if host == "drop" else ""
    conf = write(f"{host}/nginx.conf", f"""
user root; worker_processes 1; daemon off; pid {WORK}/{host}/nginx.pid; error_log stderr crit;
events {{ worker_connections 512; }}
http {{
  access_log off; default_type text/html; types {{ text/css css; text/plain txt; }}
  client_max_body_size 4m; keepalive_timeout 65; reset_timedout_connection on;
  client_body_temp_path {WORK}/{host}/b; proxy_temp_path {WORK}/{host}/p;
  fastcgi_temp_path {WORK}/{host}/f; uwsgi_temp_path {WORK}/{host}/u; scgi_temp_path {WORK}/{host}/s;
  server {{
    listen 80; listen 443 ssl;
    ssl_certificate {WORK}/cert.pem; ssl_certificate_key {WORK}/key.pem;
    ssl_protocols {"TLSv1.2" if host == "shop" else "TLSv1.2 TLSv1.3"};
    root {WORK}/site; {rate}
    location /slow/ {{ limit_rate 6k; }}
    location = /gone {{ return 444; }}
    location = /old {{ return 302 /; }}
    location = /form {{ return 200 "thank you\\n"; }}
    location = /poll {{ return 200 "0\\n"; }}
    location /up/ {{ root {WORK}/{host}; {body} }}
  }}
}}
""")
    daemon(host, "nginx", "-c", conf, "-p", f"{WORK}/{host}")


def plain_nginx(host):
    """A web server behind a tunnel."""
    conf = write(f"{host}/nginx.conf", f"""
user root; worker_processes 1; daemon off; pid {WORK}/{host}/nginx.pid; error_log stderr crit;
events {{ worker_connections 64; }}
http {{ access_log off; server {{ listen 80; root {WORK}/site; }} }}
""")
    daemon(host, "nginx", "-c", conf, "-p", f"{WORK}/{host}")


def dns2tcpd():
    conf = write("dns2tcp/dns2tcpd.conf", f"""
listen = {HOSTS["dns2tcp"]}
port = 53
user = root
chroot = {WORK}/dns2tcp
domain = {DNS2TCP_DOMAIN}
key = rain-on-tin
resources = web:127.0.0.1:80
""")
    daemon("dns2tcp", "dns2tcpd", "-F", "-d", "1", "-f", conf)


def avahi(host):
    """Starts avahi, which claims the host's name; all hosts have the services in /etc/avahi/services."""
    write(f"{host}/avahi.conf", f"""
[server]
host-name={host}
use-ipv6=no
allow-interfaces=eth0
enable-dbus=no
disallow-other-stacks=no
[publish]
publish-workstation=yes
publish-hinfo=no
publish-addresses=yes
[reflector]
enable-reflector=no
""")
    service = Path("/etc/avahi/services/ssh.service")
    service.parent.mkdir(parents=True, exist_ok=True)
    service.write_text('<service-group><name replace-wildcards="yes">%h</name>'
                       "<service><type>_ssh._tcp</type><port>22</port></service>"
                       "<service><type>_http._tcp</type><port>80</port></service></service-group>")


def users():
    """Accounts in the private /etc, with key and password logins."""
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{WORK}/host_key")
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", f"{WORK}/user_key")
    SSH_CONFIG.write_text(
        f"Host *\n IdentityFile {WORK}/user_key\n IdentitiesOnly yes\n StrictHostKeyChecking no\n"
        " UserKnownHostsFile /dev/null\n LogLevel ERROR\n ConnectTimeout 3\n" + ALGORITHMS)
    key = Path(WORK, "user_key.pub").read_text()
    for n, (user, password) in enumerate(USERS.items()):
        crypt = subprocess.run(["openssl", "passwd", "-6", password], capture_output=True, text=True).stdout.strip()
        with open("/etc/passwd", "a") as passwd, open("/etc/shadow", "a") as shadow:
            passwd.write(f"{user}:x:{4000 + n}:100::/home/{user}:/bin/sh\n")
            shadow.write(f"{user}:{crypt}:19000:0:99999:7:::\n")
        home = Path("/home", user)
        for directory in (".ssh", "docs", "in"):
            (home / directory).mkdir(parents=True)
        (home / ".hushlogin").touch()
        (home / ".ssh/authorized_keys").write_text(key)
        for note in WORK.glob("note*.txt"):
            (home / "docs" / note.name).write_bytes(note.read_bytes())
        (home / "docs/report.txt").write_bytes((WORK / "site/f/1.txt").read_bytes())
        for path in (home, *home.rglob("*")):
            os.chown(path, 4000 + n, 100)


def sshd(host):
    Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    conf = write(f"{host}/sshd_config", f"""
HostKey {WORK}/host_key
PidFile none
UsePAM no
UseDNS no
PasswordAuthentication yes
PermitRootLogin no
PrintMotd no
PrintLastLog no
StrictModes no
MaxStartups 60
{ALGORITHMS}Subsystem sftp internal-sftp
""")
    daemon(host, "/usr/sbin/sshd", "-D", "-e", "-f", conf)


def rsyncd():
    Path(WORK, "rsync/in").mkdir(parents=True)
    conf = write("files/rsyncd.conf", f"""
use chroot = no
reverse lookup = no
uid = root
gid = root
pid file = {WORK}/files/rsyncd.pid
[docs]
path = /home/anna/docs
exclude = report.txt
[in]
path = {WORK}/rsync/in
read only = no
""")
    daemon("files", "rsync", "--daemon", "--no-detach", f"--config={conf}")


def memcached():
    daemon("cache", "memcached", "-u", "root", "-l", HOSTS["cache"], "-p", str(CACHE_PORT), "-U", "0")


def chronyd():
    conf = write("infra/chrony.conf",
                 f"local stratum 3\nallow all\ncmdport 0\npidfile {WORK}/infra/chronyd.pid\n"
                 "bindcmdaddress /\n")
    # -x: serve the time, never set the machine's clock.
    daemon("infra", "chronyd", "-d", "-x", "-u", "root", "-f", conf)


def public_zones():
    head = "@ 20 IN SOA ns.example.net. admin.example.net. 1 3600 600 86400 20\n@ 20 IN NS ns.example.net.\n"
    zones = {f"example.{top}": head + f"@ 20 IN A {HOSTS['www']}\n@ 20 IN MX 10 mail\nmail 20 IN A {HOSTS['www']}\n"
             '@ 20 IN TXT "v=spf1 mx -all"\n' for top in ("com", "net", "org")}
    zones["example.net"] += f"ns 20 IN A {HOSTS['ns']}\n"
    for name, host in SITES.items():
        label, zone = name.split(".", 1)
        zones[zone] += f"{label} 20 IN A {HOSTS[host]}\n"
    zones["example.com"] += f"old 20 IN A {DARK[2]}\n"
    return zones


def tunnel_zone(rng):
    def blob(size):
        return rng.randbytes(size).hex()

    text = " ".join(f'"{blob(90)}"' for _ in range(2))
    return (f"@ 0 IN SOA ns1 admin 1 3600 600 86400 0\n@ 0 IN NS ns1\nns1 0 IN A {HOSTS['tunnel']}\n"
            f"* 0 IN TXT {text}\n* 0 IN TYPE10 \\# 220 {blob(220)}\n")


def collector_zone():
    return (f"@ 0 IN SOA ns1 admin 1 3600 600 86400 0\n@ 0 IN NS ns1\nns1 0 IN A {HOSTS['collector']}\n"
            f"* 0 IN A {HOSTS['collector']}\n")


def nsd(host, zones):
    """A name server for zones by name; the root's is empty."""
    entries = ""
    for zone, text in zones.items():
        path = write(f"{host}/{zone}.zone", f"$ORIGIN {zone}.\n{text}")
        entries += f'zone:\n  name: "{zone}."\n  zonefile: "{path}"\n'
    conf = write(f"{host}/nsd.conf", f"""
server:
  ip-address: {HOSTS[host]}
  username: ""
  zonesdir: "{WORK}/{host}"
  database: ""
  zonelistfile: "{WORK}/{host}/zone.list"
  xfrdfile: "{WORK}/{host}/xfrd.state"
  xfrdir: "{WORK}/{host}"
  pidfile: "{WORK}/{host}/nsd.pid"
  server-count: 1
remote-control:
  control-enable: no
{entries}""")
    daemon(host, "nsd", "-d", "-c", conf)


def dnsmasq(delegated, services=""):
    """The resolver: own names, what the hosts of `delegated` answer by domain, and `ns` for the rest."""
    records = "".join(f"host-record={name}.{DOMAIN},{address}\n"
                      for name, address in (SERVERS | CLIENTS).items())
    records += f"host-record=legacy.{DOMAIN},{DARK[0]}\nhost-record=printer.{DOMAIN},{DARK[1]}\n"
    servers = "".join(f"server=/{domain}/{HOSTS[host]}\n" for domain, host in delegated.items())
    conf = write("infra/dnsmasq.conf", f"""
keep-in-foreground
user=root
pid-file={WORK}/infra/dnsmasq.pid
no-hosts
no-resolv
bind-interfaces
listen-address={SERVERS["infra"]}
local=/{DOMAIN}/
local=/10.in-addr.arpa/
server={HOSTS["ns"]}
{servers}cache-size=300
{records}{services}""")
    daemon("infra", "dnsmasq", f"--conf-file={conf}")
