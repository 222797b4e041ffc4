#!/usr/bin/env python3
"""Trains on an archive of conn.log with Apache Spark, and scores it, one task for each day.

usage: spark-submit score_archive.py ARCHIVE OUTPUT [--zeek-iforest PROGRAM] [--alerts-per-day N]

ARCHIVE contains a directory for each day, named YYYY-MM-DD as Zeek's log rotation names them. OUTPUT gets parts/DAY.part,
iforest.model and scored/DAY.conn.log.gz. All machines see both directories under the same path and have the program.
Existing files are not made again: after a failure, run it again.
"""

import argparse
import pathlib
import re
import subprocess
import tempfile

from pyspark.sql import SparkSession


def zeek_iforest(program, command, *arguments):
    """Runs a command of the program. If it fails, its message becomes that of the task."""
    command = [program, command, "--quiet", "--threads", "1", *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip()}")


def sample(program, day, output):
    """Draws the sample of a day."""
    part = output / "parts" / f"{day.name}.part"
    if not part.exists():
        zeek_iforest(program, "sample", day, "-o", part)
    return part


def score(program, before, day, output):
    """Scores a day. Scores the day before as well, for its context, and discards that output."""
    scored = output / "scored" / f"{day.name}.conn.log.gz"
    if scored.exists():
        return scored
    model = ["-m", output / "iforest.model"]
    with tempfile.TemporaryDirectory() as directory:
        context = pathlib.Path(directory) / "context"
        if before is not None:
            zeek_iforest(program, "score", *model, "--context", context, before, "-o", "/dev/null")
        zeek_iforest(program, "score", *model, "--context", context, day, "-o", scored)
    return scored


def main():
    """Samples all days, trains on the samples, scores all days."""
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("archive", type=pathlib.Path)
    parser.add_argument("output", type=pathlib.Path)
    parser.add_argument("--zeek-iforest", default="zeek-iforest")
    parser.add_argument("--alerts-per-day", default="20")
    args = parser.parse_args()
    program, output = args.zeek_iforest, args.output.resolve()
    for directory in ("parts", "scored"):
        (output / directory).mkdir(parents=True, exist_ok=True)
    names = re.compile(r"\d{4}-\d{2}-\d{2}")
    days = sorted(day for day in args.archive.resolve().iterdir() if names.fullmatch(day.name))
    if not days:
        raise SystemExit(f"{args.archive}: no directories named YYYY-MM-DD")
    spark = SparkSession.builder.appName("zeek-iforest").getOrCreate()
    tasks = spark.sparkContext.parallelize(days, len(days))
    parts = tasks.map(lambda day: sample(program, day, output)).collect()
    model = output / "iforest.model"
    if not model.exists():
        zeek_iforest(program, "train", *parts, "-o", model, "--alerts-per-day", args.alerts_per_day)
    pairs = spark.sparkContext.parallelize(list(zip([None, *days], days)), len(days))
    for scored in pairs.map(lambda pair: score(program, *pair, output)).collect():
        print(scored)
    spark.stop()


if __name__ == "__main__":
    main()
