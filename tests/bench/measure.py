"""Whole processes, measured from outside and compared in turns, so that a machine whose speed drifts treats all alike."""

import os
import statistics
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Cost:
    """What one process took, itself and what it waited for."""

    wall: float
    cpu: float
    megabytes: float


def run(command, **options):
    """Runs a command to its end; its output goes nowhere unless the options say otherwise."""
    start = time.perf_counter()
    process = subprocess.Popen(command, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **options})
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {process.returncode}\n{errors.decode()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def in_turns(commands, rounds, **options):
    """The costs of each command by its name, taken A B C A B C ... after a round that does not count."""
    costs = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            cost = run(command, **options)
            if number:
                costs[name].append(cost)
    return costs


def spread(values, unit="", digits=2):
    """Median, and from where to where."""
    return f"{statistics.median(values):.{digits}f}{unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(costs, other, of=lambda cost: cost.wall):
    """Pair by pair, how many times the cost of the one is that of the other."""
    return [of(a) / of(b) for a, b in zip(costs, other)]


def machine():
    """What a figure should be read with."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown processor")
    return f"{model}, {os.cpu_count()} processors"
