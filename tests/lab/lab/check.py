"""Checks that the committed files agree with each other and with the logs that Zeek writes."""

import struct
from collections import Counter

from . import labels, pcap, zeek
from .plan import BENIGN
from .timetable import timetable


def check(data, readme, days):
    """Prints the tables of counts and every disagreement; returns the exit status."""
    faults, tables = [], []
    for day in days:
        known = labels.read(data / f"{day.name}.labels.tsv")
        index = labels.Index(known)
        lines = (data / f"{day.name}.{day.log}.log").read_text().splitlines()
        faults += capture(data / f"{day.name}.pcap", index)
        faults += log(day, lines, known, index)
        if day.attacks:
            written = (data / f"{day.name}.labelled.{day.log}.log").read_text().splitlines()
            try:
                if written != list(labels.labelled(lines, index)):
                    faults.append(f"{day.name}: the labelled log is not the log with its labels")
            except ValueError as error:
                faults.append(f"{day.name}: {error}")
        if zeek.installed():
            faults += reproduced(day, lines, zeek.log_of(day, data).splitlines())
        tables.append(table(day, lines, index))
    for text in tables:
        print(text, end="\n\n")
        if text not in readme.read_text():
            faults.append(f"{readme.name}: its tables are not these")
    if not zeek.installed():
        print("not compared with Zeek itself: zeek is not on PATH")
    for fault in faults:
        print("FAULT", fault)
    return 1 if faults else 0


def capture(path, index):
    """Checks that every packet is complete, has correct checksums and belongs to a labelled connection."""
    for n, packet in enumerate(pcap.read(path), 1):
        head = pcap.headers(packet.frame)
        if not index.at(head.proto, (head.source, head.source_port), (head.target, head.target_port), packet.time):
            yield f"{path.name}: packet {n} belongs to no labelled connection"
        if not sound(packet.frame[14:]):
            yield f"{path.name}: packet {n} has a wrong checksum"


def sound(data):
    """Returns whether the checksums of an IPv4 packet are correct."""
    start = (data[0] & 15) * 4
    body = data[start : struct.unpack_from(">H", data, 2)[0]]
    if total(data[:start]) != 0xFFFF:
        return False
    if data[9] == pcap.ICMP:
        return total(body) == 0xFFFF
    pseudo = data[12:20] + struct.pack(">HH", data[9], len(body))
    unused = data[9] == pcap.UDP and body[6:8] == b"\0\0"
    return unused or total(pseudo + body) == 0xFFFF


def total(data):
    """The ones' complement sum of RFC 1071; 0xFFFF for data with a correct checksum."""
    data += b"\0" * (len(data) % 2)
    value = sum(struct.unpack(f">{len(data) // 2}H", data))
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return value


def log(day, lines, known, index):
    """Checks that every row has one label, every labelled connection a row, and every attack action a connection."""
    seen = set()
    for line, row in labels.rows(lines):
        found = labels.of_row(row, index)
        seen.update(found)
        if len({label.label for label in found}) != 1:
            yield f"{day.name}: not exactly one label for {line}"
    for label in set(known) - seen:
        # Zeek sees the echo requests of one pair of hosts within a minute as one connection.
        if label.proto != "icmp":
            yield f"{day.name}: no row for {label}"
    acted = {(label.action, label.label) for label in seen}
    for action in timetable(day):
        if action.label != BENIGN and (action.name, action.label) not in acted:
            yield f"{day.name}: no row for {action.name}"


def reproduced(day, lines, again):
    """Checks that Zeek writes the same rows; comments, which contain the time of writing, are skipped."""
    rows = [[line for line in log if not line.startswith("#")] for log in (lines, again)]
    if rows[0] != rows[1]:
        differing = sum(old != new for old, new in zip(*rows))
        yield (f"{day.name}: Zeek writes other rows now ({len(rows[0])} committed, {len(rows[1])} now, "
               f"{differing} differ in place)")


def table(day, lines, index):
    """Number of rows by label and service, or type of query, as Markdown."""
    column = {"conn": "service", "dns": "qtype_name"}[day.log]
    counts = Counter()
    for _, row in labels.rows(lines):
        for name in {label.label for label in labels.of_row(row, index)}:
            counts[name, row[column]] += 1
    services = sorted({service for _, service in counts})
    out = [f"| {day.name} | all | " + " | ".join(f"`{service}`" for service in services) + " |",
           "|---" + "|--:" * (len(services) + 1) + "|"]
    for name in sorted({name for name, _ in counts}):
        cells = [counts[name, service] for service in services]
        out.append(f"| `{name}` | {sum(cells)} | " + " | ".join(str(cell or "") for cell in cells) + " |")
    return "\n".join(out)
