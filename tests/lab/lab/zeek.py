"""Writes the committed logs of the captures with a real Zeek."""

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from . import labels


def installed():
    return shutil.which("zeek") is not None


def log_of(day, data):
    """The day's log by Zeek's default scripts, with the same uids in every run (-D)."""
    capture = data / f"{day.name}.pcap"
    with tempfile.TemporaryDirectory() as directory:
        done = subprocess.run(["zeek", "-D", "-r", str(capture)], cwd=directory, capture_output=True, text=True,
                              env=os.environ | {"TZ": "UTC", "LC_ALL": "C"})
        if done.returncode != 0 or done.stderr:
            sys.exit(f"make-lab: zeek -r {capture} failed: {done.stderr}")
        return Path(directory, f"{day.log}.log").read_text()


def write_logs(data, days):
    if not installed():
        sys.exit("make-lab: zeek is not on PATH; install Zeek 8.0, then run make-lab --logs")
    for day in days:
        text = log_of(day, data)
        (data / f"{day.name}.{day.log}.log").write_text(text)
        if day.attacks:
            index = labels.Index(labels.read(data / f"{day.name}.labels.tsv"))
            lines = "\n".join(labels.labelled(text.splitlines(), index))
            (data / f"{day.name}.labelled.{day.log}.log").write_text(lines + "\n")
    return 0
