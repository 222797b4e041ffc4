"""Days, actions, and generators of start times.

timetable.py and dns_timetable.py define the actions of each day.
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
    """One capture: its seed, start, length, and whether it has attacks."""

    name: str
    seed: int
    begin: datetime
    hours: int
    attacks: bool
    #: The log of the capture: `conn`, or `dns` for a day of DNS only.
    log: str = "conn"

    @property
    def seconds(self):
        return self.hours * 3600


@dataclass
class Action:
    """One action of one host. Its connections move together to the virtual `start`.

    A host runs one action at a time in each of its lanes, so the lane of a connection identifies
    its action (see retime.py): `session` for port 22, `held` for the address and port in `target`,
    `domain` for queries under `domain`, `mdns` (one for all hosts) for multicast DNS, and `desk`
    for everything else.
    """

    start: float
    host: str
    kind: str
    command: str
    lane: str = "desk"
    label: str = BENIGN
    #: A name to look up first (the command of a session connects to an address).
    resolve: str | None = None
    #: Lines typed into the command, each with its virtual time after `start`.
    typed: list[tuple[float, str]] = field(default_factory=list)
    #: Uses both the desk lane and the session lane of the host.
    alone: bool = False
    target: tuple[str, int] | None = None
    domain: str | None = None
    #: Still open when the recording stops.
    stays_open: bool = False
    #: The kind, and the number in the timetable.
    name: str = ""
    #: Set by play.py: pairs (real, virtual); packets from the time `real` on move to `virtual`.
    beats: list[tuple[float, float]] = field(default_factory=list)
    #: Set by play.py: the end of its lookup, and of the whole action.
    resolved: float = 0.0
    over: float = float("inf")


def poisson(day, rng, rate):
    """Random start times at `rate` per hour, multiplied by how busy the hour is."""
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
