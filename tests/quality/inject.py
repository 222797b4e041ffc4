#!/usr/bin/env python3
"""Injects attacks into the traffic of a network: attacks from other captures, or generated beacons.

    tests/quality/inject.py BACKGROUND... --attack ATTACK.conn.log [--seed N] > injected.log
    tests/quality/inject.py BACKGROUND... --beacon SECONDS JITTER [--seed N] > injected.log

The originators of the attack, and its responders on local networks, become hosts of the background; the attack starts
at a random time and keeps its pauses. The output is a TSV log in order of connection end, with a column `label`.
Logs are TSV, plain or gzip; a directory stands for the logs in it. Of a labelled attack log, malicious rows count.
"""

import argparse
import collections
import gzip
import ipaddress
import pathlib
import random
import re
import sys

# Number of connections of a beacon, and number of background hosts that an attack can be assigned to.
BEACON_LENGTH = 40
BUSIEST_HOSTS = 25
FIELDS = (
    "ts uid id.orig_h id.orig_p id.resp_h id.resp_p proto service duration orig_bytes resp_bytes conn_state local_orig "
    "local_resp missed_bytes history orig_pkts orig_ip_bytes resp_pkts resp_ip_bytes"
).split()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("background", nargs="+", type=pathlib.Path)
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument("--attack", type=pathlib.Path, help="conn.log of an attack")
    kind.add_argument("--beacon", nargs=2, type=float, metavar=("SECONDS", "JITTER"), help="JITTER: 0 to 1")
    parser.add_argument("--seed", type=int, default=1)
    args = parser.parse_args()
    rng = random.Random(args.seed)
    attack = read_attack(args.attack) if args.attack else beacon(*args.beacon, rng)
    write(inject(read(args.background), attack, rng), sys.stdout)


def read(paths, stream="conn"):
    """The rows of logs as dictionaries; a directory stands for the logs of a stream in it."""
    return [row for log in logs(paths, stream) for row in rows_of(log)]


def logs(paths, stream="conn"):
    """Paths of logs; a directory stands for the logs of a stream in it."""
    for path in paths:
        found = sorted(path.rglob("*")) if path.is_dir() else [path]
        yield from (log for log in found if log == path or log.is_file() and is_log_of(log.name, stream))


def is_log_of(name, stream):
    """Whether the command line would read a file of this name in a directory; a conn-summary.log is not a conn.log."""
    return re.fullmatch(rf"{stream}(\.|[_-]\d.*\.)(.*\.)?log(\.(gz|\d+))*", name) is not None


def read_attack(path):
    """The malicious rows of a labelled log, or all rows of a log without labels."""
    rows = read([path])
    malicious = [row for row in rows if row.get("label", "").lower().startswith("malicious")]
    return malicious or rows


def rows_of(path):
    """The rows of one TSV log."""
    fields = []
    with gzip.open(path, "rt") if path.suffix == ".gz" else open(path, errors="surrogateescape") as log:
        for line in log:
            line = line.rstrip("\n")
            if line.startswith("#fields\t"):
                fields = line.split("\t")[1:]
            elif line and not line.startswith("#"):
                yield dict(zip(fields, line.split("\t")))


def number(row, field):
    value = row.get(field, "-")
    return float(value) if value not in ("-", "(empty)", "") else 0.0


def end(row):
    return number(row, "ts") + number(row, "duration")


def is_local(address):
    return ipaddress.ip_address(address).is_private


def is_host(address):
    address = ipaddress.ip_address(address)
    return not (address.is_multicast or address.is_unspecified or address.is_link_local or str(address).endswith(".255"))


def public_address(rng):
    return f"{rng.randint(30, 220)}.{rng.randint(1, 250)}.{rng.randint(1, 250)}.{rng.randint(1, 250)}"


def beacon(period, jitter, rng, length=BEACON_LENGTH):
    """A beacon over TLS from one host; each pause differs from the period by up to `jitter` of it."""
    ts, controller = 0.0, public_address(rng)
    sent, received, rows = rng.choice([180, 320, 540]), rng.choice([220, 900, 3200]), []
    for _ in range(length):
        out, back = sent + rng.randint(0, 20), received + rng.randint(0, 40)
        values = (
            f"{ts:.6f} - 10.9.9.9 {rng.randint(40000, 60000)} {controller} 443 tcp ssl {rng.uniform(0.05, 0.4):.6f} {out} "
            f"{back} SF T F 0 ShADadFf 9 {out + 9 * 40} 8 {back + 8 * 40}"
        )
        rows.append(dict(zip(FIELDS, values.split())))
        ts += period * (1 + jitter * rng.uniform(-1, 1))
    return rows


def inject(background, attack, rng):
    """The background with the attack, in order of connection end, with a column `label`."""
    busy = collections.Counter(row["id.orig_h"] for row in background)
    local = [host for host, _ in busy.most_common() if is_local(host) and is_host(host)]
    hosts = (local or [host for host, _ in busy.most_common()])[:BUSIEST_HOSTS]
    originators = [row["id.orig_h"] for row in attack]
    responders = [row["id.resp_h"] for row in attack if is_local(row["id.resp_h"]) and is_host(row["id.resp_h"])]
    victims = list(dict.fromkeys(originators + responders))
    chosen = rng.sample(hosts, min(len(hosts), len(victims)))
    chosen += rng.choices(hosts, k=len(victims) - len(chosen))
    become = dict(zip(victims, chosen))

    begins, ends = min(number(row, "ts") for row in background), max(end(row) for row in background)
    first, last = min(number(row, "ts") for row in attack), max(end(row) for row in attack)
    shift = begins + rng.uniform(0, max(0.0, ends - begins - (last - first))) - first
    marks_local = any(row.get("local_orig", "-") != "-" for row in background)
    injected = []
    for i, row in enumerate(attack):
        row = {**row, "uid": f"Cinjected{i}", "ts": f"{number(row, 'ts') + shift:.6f}", "label": "Malicious"}
        for side in ("orig", "resp"):
            address = row[f"id.{side}_h"] = become.get(row[f"id.{side}_h"], row[f"id.{side}_h"])
            row[f"local_{side}"] = ("T" if is_local(address) else "F") if marks_local else "-"
        if end(row) <= ends:
            injected.append(row)
    return sorted([{**row, "label": "Benign"} for row in background] + injected, key=end)


def write_log(rows, path, *options):
    with open(path, "w", encoding="utf-8", errors="surrogateescape") as file:
        write(rows, file, *options)


def write(rows, file, fields=(*FIELDS, "label"), stream="conn"):
    print("#separator \\x09", "#set_separator\t,", "#empty_field\t(empty)", "#unset_field\t-", f"#path\t{stream}", sep="\n", file=file)
    print("#fields", *fields, sep="\t", file=file)
    for row in rows:
        print(*(row.get(field, "-") for field in fields), sep="\t", file=file)


if __name__ == "__main__":
    main()
