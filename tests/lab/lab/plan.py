"""A day, an action in it, and the generators of start times.

Not here: which actions a day has (timetable.py, dns_timetable.py).
"""

from dataclasses import dataclass, field
from datetime import datetime

BENIGN = "Benign"

#: Actions start this long before the capture window, so it opens on a busy network.
LEAD_IN = 400.0

#: How busy the desks are, by hour of the day; 1.0 is a usual hour.
BUSY = {7: 0.4, 8: 0.7, 9: 1.2, 10: 1.3, 11: 1.1, 12: 0.6, 13: 0.9, 14: 1.2, 15: 1.2, 16: 1.0, 17: 0.7}


@dataclass(frozen=True)
class Day:
    """One capture: which seed, when it begins, how long it is, with attacks or without."""

    name: str
    seed: int
    begin: datetime
    hours: int
    attacks: bool
    #: The log that Zeek writes of it: `conn`, or `dns` for a day of DNS alone.
    log: str = "conn"

    @property
    def seconds(self):
        return self.hours * 3600


@dataclass
class Action:
    """One thing one host does. Its connections move together to the virtual `start`.

    A host does one thing at a time in each of its lanes; the lane tells afterwards
    which connection belongs to which action (see retime.py):
    `desk` for everything but what follows, `session` for port 22, `held` for the
    one address and port named by `target`, `domain` for questions under `domain`, and
    `mdns`, one for all hosts, for multicast DNS.
    """

    start: float
    host: str
    kind: str
    command: str
    lane: str = "desk"
    label: str = BENIGN
    #: A name looked up first (a session's command connects to an address).
    resolve: str | None = None
    #: Lines typed into the command, each with its virtual time after `start`.
    typed: list[tuple[float, str]] = field(default_factory=list)
    #: Takes the host's desk and session lanes for itself.
    alone: bool = False
    target: tuple[str, int] | None = None
    domain: str | None = None
    #: Still open when the recording stops.
    stays_open: bool = False
    #: The kind and the place in the timetable.
    name: str = ""
    #: Filled in by play.py: pairs (real, virtual); what follows `real` moves to `virtual`.
    beats: list[tuple[float, float]] = field(default_factory=list)
    #: Filled in by play.py: when its look-up and when the whole action was over.
    resolved: float = 0.0
    over: float = float("inf")


def poisson(day, rng, rate):
    """Start times at `rate` an hour, thinned by how busy the hour is."""
    peak = max(BUSY.values())
    at = -LEAD_IN
    while (at := at + rng.expovariate(rate * peak / 3600)) < day.seconds:
        if rng.random() < BUSY[int(day.begin.hour + at // 3600)] / peak:
            yield at


def regular(day, rng, interval, jitter, begin=-LEAD_IN):
    """Start times every `interval` seconds from a random phase, plus or minus `jitter`."""
    at = begin + rng.uniform(0, interval)
    while (start := at + rng.uniform(-jitter, jitter)) < day.seconds:
        yield start
        at += interval
