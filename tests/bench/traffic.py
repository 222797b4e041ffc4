#!/usr/bin/env python3
"""Generates traffic for benchmarks, the same in every run.

usage: traffic.py log ROWS OUT           a conn.log of ROWS connections
       traffic.py json ROWS OUT          the same as JSON
       traffic.py connections N OUT      a pcap of N whole TCP connections, one in eight of them unanswered
       traffic.py syns N OUT             a pcap of N lone SYNs from random sources to one server
       traffic.py flood PCAP N OUT       the frames of a pcap, and N lone SYNs from as many sources in its second quarter
"""

import json
import random
import struct
import sys
import tempfile

FIELDS = """ts:time uid:string id.orig_h:addr id.orig_p:port id.resp_h:addr id.resp_p:port proto:enum service:string
duration:interval orig_bytes:count resp_bytes:count conn_state:string local_orig:bool local_resp:bool missed_bytes:count
history:string orig_pkts:count orig_ip_bytes:count resp_pkts:count resp_ip_bytes:count tunnel_parents:set[string]"""

# Kind of connection: weight, port, protocol, service, state, history, mean bytes of either side, mean duration.
KINDS = [
    (40, 53, "udp", "dns", "SF", "Dd", 45, 130, 0.03),
    (30, 443, "tcp", "ssl", "SF", "ShADadfF", 1_800, 24_000, 8),
    (8, 80, "tcp", "http", "SF", "ShADadFf", 600, 9_000, 2),
    (4, 443, "udp", "quic,ssl", "SF", "Dd", 5_000, 60_000, 30),
    (2, 22, "tcp", "ssh", "S1", "ShADad", 6_000, 9_000, 600),
    (4, 123, "udp", "ntp", "SF", "Dd", 48, 48, 0.02),
    (2, 8080, "tcp", "-", "RSTO", "ShADaR", 300, 0, 1),
    (10, 0, "tcp", "-", "S0", "S", 0, 0, 0),
]


def log(rows, out):
    """Writes a conn.log as Zeek does."""
    r = random.Random(1)
    names, types = zip(*(field.split(":", 1) for field in FIELDS.split()))
    kinds = r.choices(KINDS, [kind[0] for kind in KINDS], k=4096)
    inside = [f"10.1.{i // 250}.{i % 250 + 1}" for i in range(1500)]
    outside = [f"{r.randrange(11, 223)}.{r.randrange(256)}.{r.randrange(256)}.{r.randrange(1, 255)}" for _ in range(20_000)]
    ts = 1_700_000_000.0
    with open(out, "w", encoding="ascii") as file:
        file.write("#separator \\x09\n#set_separator\t,\n#empty_field\t(empty)\n#unset_field\t-\n#path\tconn\n")
        file.write("#fields\t" + "\t".join(names) + "\n#types\t" + "\t".join(types) + "\n")
        for i in range(rows):
            _, port, proto, service, state, history, sent, got, lasted = kinds[r.getrandbits(12)]
            ts += r.expovariate(300)
            a, b = inside[int(1500 * r.random() ** 2)], outside[int(20_000 * r.random() ** 3)]
            local = "T\tF"
            if state == "S0":
                a, b, port, local = b, a, r.choice((23, 445, 3389, 5900, r.randrange(1, 65536))), "F\tT"
            size = r.lognormvariate(0, 1)
            sent, got, duration = int(sent * size), int(got * size), f"{lasted * size:.6f}" if lasted else "-"
            amounts = f"{sent}\t{got}" if lasted else "-\t-"
            pkts, back = 1 + sent // 700 + 3 * (proto == "tcp") * (got > 0), got // 1200 + (got > 0)
            file.write(
                f"{ts:.6f}\tC{r.getrandbits(64):016x}\t{a}\t{r.randrange(1024, 65536)}\t{b}\t{port}\t{proto}\t{service}\t"
                f"{duration}\t{amounts}\t{state}\t{local}\t0\t{history}\t{pkts}\t{sent + 40 * pkts}\t{back}\t"
                f"{got + 40 * back}\t-\n"
            )
        file.write("#close\t2023-11-15-00-00-00\n")


def as_json(rows, out):
    """Writes the same log as JSON."""
    with tempfile.NamedTemporaryFile("r", encoding="ascii") as tsv, open(out, "w", encoding="ascii") as file:
        log(rows, tsv.name)
        fields = [field.split(":", 1) for field in FIELDS.split()]
        number = [kind in ("time", "port", "interval", "count") for _, kind in fields]
        for line in tsv:
            if line.startswith("#"):
                continue
            members = []
            for value, (name, kind), bare in zip(line.rstrip("\n").split("\t"), fields, number):
                if value == "-":
                    continue
                if kind == "bool":
                    value, bare = {"T": "true", "F": "false"}[value], True
                members.append(f'"{name}":{value if bare else json.dumps(value)}')
            file.write("{" + ",".join(members) + "}\n")


SYN, FIN, PSH, ACK = 2, 1, 8, 16


def segment(a, b, flags, seq=0, ack=0, payload=b""):
    """An Ethernet frame without checksums, because Zeek is run with -C."""
    (source, source_port), (target, target_port) = a, b
    ip = struct.pack("!BBHHHBBH", 0x45, 0, 40 + len(payload), 0, 0x4000, 64, 6, 0) + source + target
    tcp = struct.pack("!HHIIBBHHH", source_port, target_port, seq, ack, 0x50, flags, 64_000, 0, 0)
    return bytes(12) + b"\x08\x00" + ip + tcp + payload


def exchange(r, a, b):
    """The segments of one connection, with the pause before each."""
    x, y = r.getrandbits(31), r.getrandbits(31)
    yield 0.0, segment(a, b, SYN, x)
    if r.random() < 1 / 8:
        return
    request, answer = r.randbytes(r.randrange(60, 500)), r.randbytes(r.randrange(100, 1400))
    x, y = x + 1, y + 1
    pause = r.expovariate(30)
    yield pause, segment(b, a, SYN | ACK, y - 1, x)
    yield pause, segment(a, b, ACK, x, y)
    yield 0.001, segment(a, b, PSH | ACK, x, y, request)
    x += len(request)
    yield pause, segment(b, a, PSH | ACK, y, x, answer)
    y += len(answer)
    yield pause, segment(a, b, FIN | ACK, x, y)
    yield pause, segment(b, a, FIN | ACK, y, x + 1)
    yield pause, segment(a, b, ACK, x + 1, y + 1)


def connections(n, r):
    start = 1_700_000_000.0
    for _ in range(n):
        start += r.expovariate(1500)
        a = bytes((10, 2, r.randrange(2), r.randrange(1, 120))), r.randrange(1024, 65536)
        b = bytes((172, 20, r.randrange(3), r.randrange(1, 250))), r.choice((443, 80, 22, 5432, 8443, 9092))
        at = start
        for pause, frame in exchange(r, a, b):
            at += pause
            yield at, frame


def syns(n, r):
    at = 1_700_000_000.0
    for _ in range(n):
        at += r.expovariate(15_000)
        source = r.randbytes(4), r.randrange(1024, 65536)
        yield at, segment(source, (bytes((172, 20, 0, 1)), 443), SYN, r.getrandbits(31))


def frames_of(path):
    """Times and frames of a pcap with microseconds, as tcpdump writes it."""
    with open(path, "rb") as file:
        if file.read(24)[:4] != struct.pack("<I", 0xA1B2C3D4):
            sys.exit(f"{path}: not a pcap with microseconds")
        while header := file.read(16):
            seconds, micros, length, _ = struct.unpack("<IIII", header)
            yield seconds + micros / 1e6, file.read(length)


def flood(path, n):
    """The frames of a pcap of the lab, and a flood of one of its servers."""
    frames, r = list(frames_of(path)), random.Random(5)
    start, end = frames[0][0], frames[-1][0]
    server = bytes((10, 10, 2, 80)), 443
    for i, source in enumerate(r.sample(range(11 << 24, 127 << 24), n)):
        originator = source.to_bytes(4, "big"), r.randrange(1024, 65536)
        frames.append((start + (end - start) * (1 + i / n) / 4, segment(originator, server, SYN, r.getrandbits(31))))
    return frames


def pcap(frames, out):
    """Writes frames in order of their time."""
    with open(out, "wb") as file:
        file.write(struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 1))
        for at, frame in sorted(frames, key=lambda timed: timed[0]):
            file.write(struct.pack("<IIII", int(at), int(at % 1 * 1e6), len(frame), len(frame)) + frame)


def make(kind, n, out):
    """Writes the requested kind of traffic."""
    if kind in ("log", "json"):
        {"log": log, "json": as_json}[kind](n, out)
    else:
        pcap({"connections": connections, "syns": syns}[kind](n, random.Random(7)), out)


if __name__ == "__main__":
    if len(sys.argv) == 5 and sys.argv[1] == "flood":
        pcap(flood(sys.argv[2], int(sys.argv[3])), sys.argv[4])
    elif len(sys.argv) == 4 and sys.argv[1] in ("log", "json", "connections", "syns"):
        make(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    else:
        sys.exit(__doc__)
