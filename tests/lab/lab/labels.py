"""Labels of connections: the labels file, and its join with a log.

A connection is found by its protocol, its two ends and its start; no uid is needed.
"""

from collections import defaultdict
from dataclasses import dataclass

FIELDS = "first last proto orig_h orig_p resp_h resp_p label action".split()


@dataclass(frozen=True)
class Label:
    """One connection: times of its first and last packet in microseconds, its ends, label and action."""

    first: int
    last: int
    proto: str
    orig: tuple[str, int]
    resp: tuple[str, int]
    label: str
    action: str

    @property
    def ends(self):
        return ends(self.proto, self.orig, self.resp)


def ends(proto, one, other):
    return proto, min(one, other), max(one, other)


def seconds(micros):
    return f"{micros // 1_000_000}.{micros % 1_000_000:06d}"


def micros(text):
    whole, part = text.split(".")
    return int(whole) * 1_000_000 + int(part.ljust(6, "0"))


def write(path, flows):
    lines = ["#fields\t" + "\t".join(FIELDS)]
    for flow in flows:
        head, action = flow.first, flow.action
        lines.append("\t".join(map(str, (
            seconds(flow.begin), seconds(flow.end), head.proto, head.source, head.source_port,
            head.target, head.target_port, action.label, action.name))))
    path.write_text("\n".join(lines) + "\n")


def read(path):
    lines = path.read_text().splitlines()
    if lines[0].split("\t")[1:] != FIELDS:
        raise ValueError(f"{path}: line 1 is not the header of a labels file")
    out = []
    for line in lines[1:]:
        first, last, proto, orig, orig_p, resp, resp_p, label, action = line.split("\t")
        out.append(Label(micros(first), micros(last), proto, (orig, int(orig_p)), (resp, int(resp_p)), label, action))
    return out


class Index:
    """Finds the labels of a pair of ends at a time."""

    def __init__(self, labels):
        self.by_ends = defaultdict(list)
        for label in labels:
            self.by_ends[label.ends].append(label)

    def at(self, proto, one, other, time):
        return [label for label in self.by_ends.get(ends(proto, one, other), ()) if label.first <= time <= label.last]


def rows(lines):
    """The rows of a log as dictionaries, each with its line."""
    fields = next(line for line in lines if line.startswith("#fields")).split("\t")[1:]
    for line in lines:
        if not line.startswith("#"):
            yield line, dict(zip(fields, line.split("\t")))


def of_row(row, index):
    """The labels of a row: those of the connection that its first packet belongs to."""
    one, other = ((row[f"id.{end}_h"], int(row[f"id.{end}_p"])) for end in ("orig", "resp"))
    return index.at(row["proto"], one, other, micros(row["ts"]))


def labelled(lines, index):
    """The lines of a log with a column `label` at the end."""
    found = {line: {label.label for label in of_row(row, index)} for line, row in rows(lines)}
    for line in lines:
        if line.startswith("#fields"):
            yield line + "\tlabel"
        elif line.startswith("#types"):
            yield line + "\tstring"
        elif line.startswith("#"):
            yield line
        elif len(found[line]) == 1:
            yield line + "\t" + found[line].pop()
        else:
            raise ValueError(f"{len(found[line])} labels for the row: {line}")
