#!/usr/bin/env python3
"""Cost of the package in Zeek: plain Zeek and Zeek with the package on the same pcap, alternating.

usage: zeek.py [--build DIRECTORY] [--pairs N] [--connections N] [--syns N] [--instructions]

DIRECTORY is the output of `./configure && cmake --build build`; the default is `build`. Two pcaps are generated: whole
connections, and a flood of lone SYNs, the most expensive traffic for the package. The third is the lab's first day of DNS:
queries with their replies and connections. No score reaches the threshold, because the cost of notices depends on their
number and belongs to Zeek. The cost of starting and ending Zeek is measured with an empty pcap and subtracted.
--instructions, which needs valgrind and takes long, counts instructions per connection or query under callgrind, by
function of the package; they vary less than times.
"""

import argparse
import pathlib
import statistics
import tempfile

import measure
import traffic
from measure import in_turns, machine, run, spread

# Purpose of a function, see measure.by_part.
PARTS = {
    "forest": r"iforest::|libm::math::(exp2|log2)|path_length",
    "encode": r"detector::model::encoder",
    "history": r"detector::alert",
    "model": r"detector::model",
    "features": r"detector::|libm::|logf|exp2f",
    "bridge": r"iforest_bridge|cxxbridge|iforest::Sensor",
    "record fields": r"plugin::IForest_Scorer|BifFunc::IForest|BifFunc::.*IForest",
    "telemetry": r"[Tt]elemetry|[Pp]rometheus",
    "columns in the log": r"logging|threading|modp_|[Aa]scii|[Ff]ormatter|ODesc|json_escape|isprint",
    "memory": r"malloc|free|calloc|operator (new|delete)|unlink_chunk|mem(set|cpy|cmp|move)",
    "script": r"zeek::(detail::|\w*Val|Obj|Type|Func|Event|IntrusivePtr|Frame)",
}


def instructions(commands, pcaps, directory):
    """Prints instructions per connection, and those that the package adds by purpose."""

    def profile(name, pcap):
        environment, zeek = commands[name]
        # Parsing scripts takes more than all packets, and varies with addresses in memory.
        loop = "zeek::run_state::detail::run_loop()"
        return measure.instructions([*zeek, "-r", pcap], directory, environment, loop)

    start = {name: profile(name, pcaps["nothing"][0]) for name in commands}
    for kind, (pcap, n) in pcaps.items():
        if not n:
            continue
        costs = {name: profile(name, pcap) for name in commands}
        for name in commands:
            costs[name].subtract(start[name])
        plain, package = (sum(costs[name].values()) / n for name in commands)
        print(f"{kind}: {plain:,.0f} instructions each, {package - plain:,.0f} more with the package: ", end="")
        print(f"{100 * (package / plain - 1):.2f} %")
        costs["package"].subtract(costs["plain"])
        for part, cost in measure.by_part(costs["package"], PARTS).most_common():
            print(f"    {part:20}{cost / n:8,.0f}", flush=True)


def times(commands, pcaps, pairs, directory):
    """Prints processor time per connection, and pairwise ratios."""
    every = {
        (name, kind): [*environment, *zeek, "-r", pcap]
        for kind, (pcap, _) in pcaps.items()
        for name, (environment, zeek) in commands.items()
    }
    costs = in_turns(every, pairs, cwd=directory)
    cpu = {key: [cost.cpu for cost in taken] for key, taken in costs.items()}
    start = {name: statistics.median(cpu[name, "nothing"]) for name in commands}
    for kind, (_, n) in pcaps.items():
        if not n:
            continue
        plain, package = ([cpu - start[name] for cpu in cpu[name, kind]] for name in commands)
        added = [100 * (with_it / without - 1) for without, with_it in zip(plain, package)]
        micros = spread([1e6 * seconds / n for seconds in plain], " µs", 1)
        print(f"{kind}: {micros} each; with the package {spread(added, ' %')} more")


def main():
    """Runs the selected measurement."""
    top = pathlib.Path(__file__).resolve().parents[2]
    parser = argparse.ArgumentParser(usage=__doc__.split("\n\n")[1].removeprefix("usage: "))
    parser.add_argument("--build", type=pathlib.Path, default=top / "build")
    parser.add_argument("--pairs", type=int, default=7)
    parser.add_argument("--connections", type=int)
    parser.add_argument("--syns", type=int)
    parser.add_argument("--instructions", action="store_true")
    args = parser.parse_args()
    whole, lone = (3_000, 6_000) if args.instructions else (30_000, 300_000)
    whole, lone = args.connections or whole, args.syns or lone
    with tempfile.TemporaryDirectory() as directory:
        directory = pathlib.Path(directory)
        pcaps = {"nothing": (directory / "nothing.pcap", 0)}
        traffic.pcap([], pcaps["nothing"][0])
        for kind, n in (("connections", whole), ("syns", lone)):
            pcaps[kind] = directory / f"{kind}.pcap", n
            traffic.make(kind, n, pcaps[kind][0])
        lab = top / "tests/data/lab-dns-day1.pcap"
        models = {"conn": pcaps["connections"][0], "dns": lab}
        for log, pcap in models.items():
            run(["zeek", "-C", "-r", pcap], cwd=directory)
            models[log] = directory / f"{log}.model"
            run([args.build.resolve() / "cargo/release/zeek-iforest", "train", directory / f"{log}.log", "-o", models[log]])
        pcaps["queries"] = lab, sum(not line.startswith("#") for line in open(directory / "dns.log", encoding="utf-8"))
        print(machine())
        plugin = f"ZEEK_PLUGIN_PATH={args.build.resolve()}"
        options = [f"IForest::model_file={models['conn']}", f"IForest::dns_model_file={models['dns']}"]
        options += ["IForest::threshold=2", "IForest::dns_threshold=2"]
        commands = {
            "plain": (["env", "ZEEK_PLUGIN_PATH="], ["zeek", "-C"]),
            "package": (["env", plugin], ["zeek", "-C", "IForest", *options]),
        }
        if args.instructions:
            instructions(commands, pcaps, directory)
        else:
            times(commands, pcaps, args.pairs, directory)


if __name__ == "__main__":
    main()
