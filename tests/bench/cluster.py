#!/usr/bin/env python3
"""Cost of the package for the manager of a real cluster.

    tests/bench/cluster.py [--workers 40] [--speed 200]

Each worker replays the first day of the lab (ten hours), so many times as fast, with the package and without. Needs Zeek and
the plugin in build/. Prints the manager's processor time for an hour of traffic, its memory, and the number of models it fitted.
"""

import argparse
import os
import pathlib
import re
import subprocess
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
CAPTURE = ROOT / "tests/data/lab-day1.pcap"
HOURS = 10
FIRST_PORT = 21000

# What every node loads. The manager reports that all workers have connected, and ends when they have gone.
NODE = """
@if ( Version::number >= 80100 )
@load policy/frameworks/cluster/backend/broker
@endif
@load policy/frameworks/cluster/experimental
redef Log::default_rotation_interval = 0sec;
redef Log::enable_local_logging = T;

@if ( Cluster::local_node_type() == Cluster::MANAGER )
redef exit_only_after_terminate = T;
global gone = 0;
event Cluster::Experimental::cluster_started()
	{
	local f = open("started");
	close(f);
	}
event Cluster::node_down(name: string, id: string)
	{
	if ( ++gone == WORKERS )
		{
		local f = open("gone");
		close(f);
		}
	}
@endif
"""

# A model is fitted early in the run, so that records are scored and alert for most of it.
PACKAGE = """
@load IForest
redef IForest::learn_after = 1000;
"""


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--workers", type=int, default=40)
    parser.add_argument("--speed", type=int, default=200)
    args = parser.parse_args()
    found = {}
    for package in (True, False):
        with tempfile.TemporaryDirectory() as directory:
            found[package] = run(pathlib.Path(directory), args.workers, args.speed, package)
    print(f"{args.workers} workers, {HOURS} hours of traffic; the manager")
    print(f"{'':20}{'processor s an hour':>22}{'share':>10}{'peak MB':>10}{'fits':>9}")
    for package, name in ((False, "plain Zeek"), (True, "with the package")):
        seconds, memory, fits = found[package]
        print(f"{name:20}{seconds / HOURS:22.2f}{seconds / HOURS / 36:9.3f}%{memory:10.0f}{fits:9}")


def run(directory, workers, speed, package):
    """Processor seconds of the manager during the traffic, its peak memory in MB, and the number of models it fitted."""
    nodes = [f'["manager"] = [$node_type=Cluster::MANAGER, $ip=127.0.0.1, $p={FIRST_PORT}/tcp]']
    for n in range(1, workers + 1):
        port = FIRST_PORT + n
        nodes.append(
            f'["worker-{n}"] = [$node_type=Cluster::WORKER, $ip=127.0.0.1, $p={port}/tcp, $manager="manager"]'
        )
    layout = "redef Cluster::manager_is_logger = T;\nredef Cluster::nodes = {" + ",\n".join(nodes) + "};\n"
    (directory / "cluster-layout.zeek").write_text(layout)
    node = NODE.replace("WORKERS", str(workers))
    (directory / "node.zeek").write_text(node + (PACKAGE if package else ""))
    environment = {**os.environ, "ZEEKPATH": f"{directory}:{zeekpath()}", "ZEEK_PLUGIN_PATH": str(ROOT / "build")}
    processes = []

    def start(name, *options):
        place = directory / name
        place.mkdir()
        with open(place / "stderr", "w") as errors:
            command = ["zeek", *options, str(directory / "node.zeek")]
            environment["CLUSTER_NODE"] = name
            processes.append(subprocess.Popen(command, cwd=place, env=environment, stdout=errors, stderr=errors))
        return processes[-1]

    try:
        manager = start("manager")
        for n in range(1, workers + 1):
            start(f"worker-{n}", "-C", f"--pseudo-realtime={speed}", "-r", str(CAPTURE))
        wait(directory / "manager/started", manager)
        before = processor_seconds(manager.pid)
        wait(directory / "manager/gone", manager)
        seconds = processor_seconds(manager.pid) - before
        status = pathlib.Path(f"/proc/{manager.pid}/status").read_text()
        log = directory / "manager/iforest_model.log"
        fits = log.read_text().count("IForest::FIT") if log.exists() else 0
        return seconds, int(re.search(r"VmHWM:\s+(\d+)", status)[1]) / 1024, fits
    finally:
        for process in processes:
            process.terminate()
        for process in processes:
            process.wait()


def zeekpath():
    return subprocess.run(["zeek-config", "--zeekpath"], check=True, capture_output=True, text=True).stdout.strip()


def processor_seconds(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def wait(mark, manager):
    while not mark.exists():
        if manager.poll() is not None:
            raise SystemExit(f"cluster.py: the manager ended: {(mark.parent / 'stderr').read_text()}")
        time.sleep(0.2)


if __name__ == "__main__":
    main()
