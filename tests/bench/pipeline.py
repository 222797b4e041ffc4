#!/usr/bin/env python3
"""Scores a large conn.log with the command line and with Python pipelines, alternating, on all cores.

usage: pipeline.py [--rows N] [--rounds N] [--zeek-iforest PROGRAM] [--growth | --instructions]

The Python pipelines read the log, compute four compressed amounts and the one-hot conn_state, fit scikit-learn's
forest with the paper's parameters, score every row and write the log with one more column. They need requirements.txt;
missing ones are left out. `zeek-iforest score` uses a model that `train` fitted on the same log; the costs of other
commands are shown as well. --growth prints time and memory for a tenth of the rows up to all of them, and for one
thread, two, and so on, as lines for plot.py. --instructions, which needs valgrind, prints instructions per row of each
command with one thread, and those of `score` by part: the difference between a log of 20,000 rows and its first 5,000.
"""

import argparse
import gzip
import importlib.util
import os
import pathlib
import shutil
import statistics
import sys
import tempfile

import traffic
from measure import by_part, in_turns, instructions, machine, ratios, run, spread

AMOUNTS = ["duration", "orig_bytes", "resp_bytes", "orig_pkts"]
STATES = ["S0", "S1", "SF", "REJ", "S2", "S3", "RSTO", "RSTR", "RSTOS0", "RSTRH", "SH", "SHR", "OTH"]
# Purpose of a function of `score`, see measure.by_part.
PARTS = {
    "parse": r"input::|zeek_log::binding|pipeline::parse|memchr|FnOnce",
    "read": r"zeek_log::(reader|block)",
    "encode": r"encoder::Encoder",
    "traversal": r"iforest::traverse",
    "step functions and mean": r"iforest::score|exp2|scoring::",
    "history": r"detector::alert",
    "features": r"detector::(conn|context|record)|Batch::extract",
    "write": r"zeek_log::(output|tsv::escape)|Pipeline::run",
    "copies and allocation": r"mem(cpy|set|cmp|move)|alloc|malloc|free",
}
NAMES = [field.split(":", 1)[0] for field in traffic.FIELDS.split()]


def scores(amounts, states):
    """Scores of scikit-learn, negated so that higher is more unusual."""
    import numpy
    from sklearn.ensemble import IsolationForest

    matrix = numpy.column_stack([numpy.log1p(amounts), states]).astype(numpy.float32)
    forest = IsolationForest(n_estimators=100, max_samples=256, random_state=1, n_jobs=-1)
    return -forest.fit(matrix).score_samples(matrix)


def with_pandas(log, out):
    """pandas and scikit-learn."""
    import pandas

    table = pandas.read_csv(log, sep="\t", comment="#", names=NAMES, na_values=["-"], quoting=3, low_memory=False)
    amounts = table[AMOUNTS].apply(pandas.to_numeric, errors="coerce").fillna(0).to_numpy()
    states = table["conn_state"].to_numpy()[:, None] == STATES
    table["anomaly_score"] = scores(amounts, states)
    table.to_csv(out, sep="\t", index=False, na_rep="-")


def with_polars(log, out):
    """polars and scikit-learn."""
    import polars

    table = polars.read_csv(
        log, separator="\t", comment_prefix="#", has_header=False, new_columns=NAMES, null_values="-", quote_char=None,
        infer_schema_length=10_000, ignore_errors=True,
    )
    amounts = table.select(polars.col(AMOUNTS).cast(polars.Float64, strict=False).fill_null(0)).to_numpy()
    states = table.select((polars.col("conn_state") == state).fill_null(False).alias(state) for state in STATES)
    table = table.with_columns(polars.Series("anomaly_score", scores(amounts, states.to_numpy())))
    table.write_csv(out, separator="\t", null_value="-")


PEERS = {"polars": with_polars, "pandas": with_pandas}


def logs(rows, directory):
    """A generated log as TSV, JSON and gzipped TSV."""
    tsv, json, gz = (directory / f"conn-{rows}.{suffix}" for suffix in ("log", "json", "log.gz"))
    traffic.make("log", rows, tsv)
    traffic.make("json", rows, json)
    with open(tsv, "rb") as plain, gzip.open(gz, "wb", 6) as packed:
        shutil.copyfileobj(plain, packed)
    return tsv, json, gz


def compare(program, rows, rounds, directory):
    """Prints the costs of each pipeline."""
    (tsv, json, gz), model, out = logs(rows, directory), directory / "model", directory / "out"
    run([program, "train", tsv, "-o", model])
    score = [program, "score", "-m", model, "-o", out]
    commands = {
        "score": [*score, tsv],
        "score, JSON": [*score, json],
        "score, gzip": [*score, gz],
        "train": [program, "train", tsv, "-o", model],
        "incidents": [program, "incidents", "-m", model, tsv],
        "report": [program, "report", "-m", model, "-o", out, tsv],
    }
    for peer in PEERS:
        if all(importlib.util.find_spec(module) for module in (peer, "sklearn")):
            commands[f"{peer} + scikit-learn"] = [sys.executable, __file__, "--peer", peer, tsv, out]
    costs = in_turns(commands, rounds)
    print(f"{rows:,} rows, {tsv.stat().st_size / 1e6:.0f} MB as TSV, {rounds} rounds; {machine()}")
    print(f"{'':24}{'wall s':>24}{'cpu s':>24}{'times score, wall':>26}{'peak MB':>9}")
    for name, taken in costs.items():
        times = spread(ratios(taken, costs["score"]))
        memory = max(cost.megabytes for cost in taken)
        wall, cpu = spread([cost.wall for cost in taken]), spread([cost.cpu for cost in taken])
        print(f"{name:24}{wall:>24}{cpu:>24}{times:>26}{memory:9.0f}")
    cpu = statistics.median(cost.cpu for cost in costs["train"])
    print(f"train reads {tsv.stat().st_size / 1e9 / (cpu / 60):.1f} GB a minute and core")


def growth(program, rows, rounds, directory):
    """Prints time and memory by rows and by threads."""
    tsv, model = directory / "conn.log", directory / "model"
    for part in (rows // 10, rows // 3, rows):
        traffic.make("log", part, tsv)
        run([program, "train", tsv, "-o", model])
        commands = {
            name: [program, name, tsv, *rest]
            for name, rest in (("score", ["-m", model, "-o", os.devnull]), ("train", ["-o", directory / "other"]))
        }
        for name, taken in in_turns(commands, rounds).items():
            cpu = statistics.median(cost.cpu for cost in taken)
            print(f"rows {name} {part} {cpu:.3f} s {max(cost.megabytes for cost in taken):.0f} MB", flush=True)
    threads = range(1, (os.cpu_count() or 1) + 1)
    score = [program, "score", "-m", model, "-o", os.devnull, tsv, "--threads"]
    for n, taken in in_turns({n: [*score, str(n)] for n in threads}, rounds).items():
        print(f"threads score {n} {statistics.median(cost.wall for cost in taken):.3f} s", flush=True)


def instructions_a_row(program, directory):
    """Prints instructions a row by command."""
    few, many = 5_000, 20_000
    model, out = directory / "model", directory / "out"
    sizes = {rows: logs(rows, directory) for rows in (few, many)}
    run([program, "train", sizes[many][0], "-o", model])
    by_model = ["-m", model, "-o", out, "--threads", "1"]
    commands = {
        "score": lambda tsv, json, gz: ["score", tsv, *by_model],
        "score, gzip": lambda tsv, json, gz: ["score", gz, *by_model],
        "score, JSON": lambda tsv, json, gz: ["score", json, *by_model],
        "incidents": lambda tsv, json, gz: ["incidents", tsv, "-m", model, "--threads", "1"],
        "sample": lambda tsv, json, gz: ["sample", tsv, "-o", out, "--threads", "1"],
        "report": lambda tsv, json, gz: ["report", tsv, *by_model],
    }
    print(f"{'':14}{'instructions a row':>20}{'times score':>13}")
    first = None
    for name, arguments in commands.items():
        less, more = (instructions([program, *arguments(*sizes[rows])], directory) for rows in (few, many))
        more.subtract(less)
        cost = more.total() / (many - few)
        first = first or (cost, more)
        print(f"{name:14}{cost:20,.0f}{cost / first[0]:13.2f}", flush=True)
    print("score, by part:")
    for part, cost in by_part(first[1], PARTS).most_common():
        print(f"    {part:24}{cost / (many - few):6,.0f}")


def main():
    """Runs the selected measurement."""
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    built = pathlib.Path(__file__).resolve().parents[2] / "target/release/zeek-iforest"
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--zeek-iforest", type=pathlib.Path, default=built)
    parser.add_argument("--growth", action="store_true")
    parser.add_argument("--instructions", action="store_true")
    parser.add_argument("--peer", nargs=3, help=argparse.SUPPRESS)
    args = parser.parse_args()
    # The commands run in another directory.
    program = args.zeek_iforest.resolve()
    if args.peer:
        peer, log, out = args.peer
        PEERS[peer](log, out)
        return
    with tempfile.TemporaryDirectory() as directory:
        if args.instructions:
            instructions_a_row(program, pathlib.Path(directory))
            return
        what = growth if args.growth else compare
        what(program, args.rows, args.rounds, pathlib.Path(directory))


if __name__ == "__main__":
    main()
