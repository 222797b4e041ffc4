"""Costs of processes that run alternately, so that changes of the machine's speed affect all equally."""

import collections
import os
import re
import statistics
import subprocess
import time
from dataclasses import dataclass


@dataclass
class Cost:
    """Resources used by a process and its children."""

    wall: float
    cpu: float
    megabytes: float


def run(command, **options):
    """Runs a command; its output is discarded by default."""
    start = time.perf_counter()
    process = subprocess.Popen(command, **{"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE, **options})
    errors = process.stderr.read() if process.stderr else b""
    _, status, usage = os.wait4(process.pid, 0)
    wall = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(map(str, command))}: exit status {process.returncode}\n{errors.decode()}")
    return Cost(wall, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def instructions(command, directory, environment=(), start=None):
    """Instructions of a command by function, without callees, counted by callgrind. They repeat from run to run. Those
    before the function `start` do not count."""
    path = directory / "callgrind"
    options = [f"--callgrind-out-file={path}", *([f"--dump-before={start}"] if start else [])]
    run([*environment, "valgrind", "--tool=callgrind", *options, *command], cwd=directory)
    return of_callgrind(path)


def of_callgrind(path):
    """Instructions by function of a callgrind profile."""
    names, costs, function, of_call = {}, collections.Counter(), None, False
    with open(path, encoding="utf-8", errors="replace") as profile:
        for line in profile:
            named = re.match(r"(c?fn)=\((\d+)\)(?: (.*))?", line)
            if named:
                kind, number, name = named.groups()
                if name:
                    names[number] = name.strip()
                if kind == "fn":
                    function = number
            elif line.startswith("calls="):
                of_call = True
            elif function and line[0] in "+-*0123456789":
                if not of_call:
                    costs[function] += int(line.split()[1])
                of_call = False
    by_name = collections.Counter()
    for number, cost in costs.items():
        by_name[names[number]] += cost
    return by_name


def by_part(costs, parts):
    """Costs by part: of each function, the first part whose pattern matches its name, or else `other`."""
    sums = collections.Counter()
    for function, cost in costs.items():
        sums[next((part for part, pattern in parts.items() if re.search(pattern, function)), "other")] += cost
    return sums


def in_turns(commands, rounds, **options):
    """Costs of each command by name, in the order A B C A B C ..., after a warm-up round."""
    costs = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            cost = run(command, **options)
            if number:
                costs[name].append(cost)
    return costs


def spread(values, unit="", digits=2):
    """Median and range."""
    return f"{statistics.median(values):.{digits}f}{unit} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def ratios(costs, other, of=lambda cost: cost.wall):
    """Pairwise ratios of two costs."""
    return [of(a) / of(b) for a, b in zip(costs, other)]


def machine():
    """Description of the machine."""
    with open("/proc/cpuinfo", encoding="utf-8") as info:
        model = next((line.split(":")[1].strip() for line in info if line.startswith("model name")), "unknown processor")
    return f"{model}, {os.cpu_count()} processors"
