#!/usr/bin/env python3
"""Compares the forest with other isolation forests: 100 trees of 256 rows, 24 columns, one thread each, alternating.

usage: forest.py [--rounds N]

Compares the fit on 25,600 rows, the score of one row, and the score of a row in a batch of 4,096. The shortest time of
all rounds counts, because other load on the machine only adds time. The other forests are called from Python, which takes
most of their time for one row. They need requirements.txt; missing ones are left out.
"""

import argparse
import os
import pathlib
import re
import subprocess
import time

from measure import machine

ROWS, BATCH, COLUMNS = 25_600, 4096, 24
WHAT = {"fit_by_rows/25600": "fit", "one_row": "one", "rows_in_batch": "batch"}
SECONDS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}


def least(times, call, repeat=3):
    """Shortest of some times and of the time of a call."""
    for _ in range(repeat):
        start = time.perf_counter()
        call()
        times = min(times, time.perf_counter() - start)
    return times


def others():
    """By name: the constructor of an unfitted forest, and its method that scores a matrix."""
    try:
        from sklearn.ensemble import IsolationForest

        made = lambda: IsolationForest(n_estimators=100, max_samples=256, random_state=0, n_jobs=1)
        yield "scikit-learn", made, "score_samples"
    except ImportError:
        pass
    try:
        from isotree import IsolationForest as Isotree

        yield "isotree", lambda: Isotree(
            ntrees=100, sample_size=256, ndim=1, missing_action="fail", random_seed=1, nthreads=1
        ), "predict"
    except ImportError:
        pass
    try:
        from coniferest.isoforest import IsolationForest as Coniferest

        yield "coniferest", lambda: Coniferest(n_trees=100, n_subsamples=256, random_seed=0, n_jobs=1), "score_samples"
    except ImportError:
        pass


def ours(top):
    """Seconds of each measurement, from one run of the benchmark."""
    command = ["cargo", "bench", "-q", "-p", "iforest", "--bench", "forest", "--", "one_row$|rows_in_batch$|fit_by_rows"]
    environment = {**os.environ, "RAYON_NUM_THREADS": "1"}
    lines = subprocess.run(command, cwd=top, env=environment, capture_output=True, text=True, check=True).stdout
    found, above = {}, ""
    for line in lines.splitlines():
        named = re.match(r"([│ ]*)[├╰]─ (\S+)\s*(?:([\d.]+) (ns|µs|ms|s)\b)?", line)
        if not named:
            continue
        within, name, number, unit = named.groups()
        above, name = (above, f"{above}/{name}") if within else (name, name)
        if number and name in WHAT:
            found[WHAT[name]] = float(number) * SECONDS[unit]
    return found


def main():
    """Prints the table."""
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--rounds", type=int, default=5)
    rounds = parser.parse_args().rounds
    os.environ["OMP_NUM_THREADS"] = "1"
    import numpy

    rows = numpy.random.default_rng(1).normal(size=(ROWS, COLUMNS)).astype(numpy.float32)
    peers = {name: (new, method) for name, new, method in others()}
    best = {name: dict.fromkeys(WHAT.values(), float("inf")) for name in ("here", *peers)}
    for _ in range(rounds):
        for what, seconds in ours(pathlib.Path(__file__).resolve().parents[2]).items():
            best["here"][what] = min(best["here"][what], seconds)
        for name, (new, method) in peers.items():
            taken, forest = best[name], new()
            taken["fit"] = least(taken["fit"], lambda: new().fit(rows), 1)
            forest.fit(rows)
            score = getattr(forest, method)
            taken["one"] = least(taken["one"], lambda: score(rows[:1]), 20)
            taken["batch"] = least(taken["batch"], lambda: score(rows[:BATCH]))
    print(f"{machine()}; the least of {rounds} rounds; in brackets, times what it takes here")
    print(f"{'':14}{'fit, ms':>20}{'one row, µs':>22}{'a row in a batch, µs':>24}")
    units = {"fit": 1e3, "one": 1e6, "batch": 1e6 / BATCH}
    for name, taken in best.items():
        cells = [f"{taken[what] * unit:.2f} ({taken[what] / best['here'][what]:.1f})" for what, unit in units.items()]
        print(f"{name:14}{cells[0]:>20}{cells[1]:>22}{cells[2]:>24}", flush=True)


if __name__ == "__main__":
    main()
