#!/usr/bin/env python3
"""Plots costs against sizes as SVG, from the benchmarks' output.

usage: plot.py DIRECTORY < figures

`figures` is the output of `cargo bench -p iforest`, `cargo bench -p detector` and `pipeline.py --growth`, one after the
other, or of several such runs. The fastest sample of each benchmark is drawn, because other load only adds time.
"""

import math
import pathlib
import re
import sys

UNITS = {"ns": 1e-9, "µs": 1e-6, "ms": 1e-3, "s": 1.0}

# File: title, label of the x axis, label and unit of the y axis, and the series: name in the figures, name in the plot, and
# divisor of the values.
PLOTS = {
    "trees": ("Score one row, by trees", "trees of 256 rows, 24 columns", ("ns a row", 1e-9), {"one_row_by_trees": ("", 1)}),
    "features": ("Score one row, by features", "columns, 100 trees", ("ns a row", 1e-9), {"one_row_by_features": ("", 1)}),
    "fit": ("Fit 100 trees, by rows", "rows to draw from, 24 columns", ("ms", 1e-3), {"fit_by_rows": ("", 1)}),
    "hosts": (
        "Features of a connection, by hosts in the context", "originators", ("ns a connection", 1e-9),
        {"features_by_hosts": ("", 20_000)},
    ),
    "rows": (
        "Score and train, by rows", "rows", ("processor seconds", 1.0),
        {"rows score": ("score", 1), "rows train": ("train", 1)},
    ),
    "memory": (
        "Memory, by rows", "rows", ("MB at the most", 1.0),
        {"memory score": ("score", 1), "memory train": ("train", 1)},
    ),
    "cores": ("Score a log, by threads", "threads", ("seconds", 1.0), {"threads score": ("", 1)}),
}

WIDTH, HEIGHT, LEFT, RIGHT, TOP, BOTTOM = 520, 320, 70, 90, 36, 48
COLOURS = ("#1f6feb", "#d1570a")


def read(lines):
    """Points of each series."""
    series, group = {}, None

    def add(name, across, value):
        points = series.setdefault(name, {})
        points[across] = min(value, points.get(across, value))

    for line in lines:
        if grown := re.match(r"(rows|threads) (\w+) (\d+) ([\d.]+) s(?: (\d+) MB)?", line):
            kind, name, across, seconds, megabytes = grown.groups()
            add(f"{kind} {name}", int(across), float(seconds))
            if megabytes:
                add(f"memory {name}", int(across), float(megabytes))
        elif value := re.match(r"[│ ]  [├╰]─ (\d+)\s+([\d.]+) (\S+)", line):
            across, amount, unit = value.groups()
            add(group, int(across), float(amount) * UNITS[unit])
        elif name := re.match(r"[├╰]─ (\w+)", line):
            group = name[1]
    return {name: sorted(points.items()) for name, points in series.items()}


def ticks(low, high):
    """Round tick values on a logarithmic axis."""
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    steps = (1, 2, 5) if high / low < 200 else (1,)
    return [step * 10.0**decade for decade in decades for step in steps if low <= step * 10.0**decade <= high]


def svg(title, across, up, series):
    """One plot; both axes are logarithmic, that of values by factors of at least four."""
    xs = sorted({x for points in series.values() for x, _ in points})
    ys = [y for points in series.values() for _, y in points]
    middle, span = math.sqrt(min(ys) * max(ys)), max(4.0, 1.3 * max(ys) / min(ys))
    low, high = middle / math.sqrt(span), middle * math.sqrt(span)
    first, last = math.log(xs[0]), math.log(xs[-1]) if len(xs) > 1 else math.log(xs[0]) + 1

    def place(x, y):
        share = (math.log(x) - first) / (last - first)
        rise = math.log(y / low) / math.log(high / low)
        return LEFT + share * (WIDTH - LEFT - RIGHT), HEIGHT - BOTTOM - rise * (HEIGHT - TOP - BOTTOM)

    out = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" font-family="sans-serif" font-size="12">',
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>',
        f'<text x="{LEFT}" y="20" font-size="14" font-weight="bold">{title}</text>',
    ]
    for y in ticks(low, high):
        _, at = place(xs[0], y)
        out.append(f'<path d="M{LEFT} {at:.1f}H{WIDTH - RIGHT}" stroke="#ddd"/>')
        out.append(f'<text x="{LEFT - 8}" y="{at + 4:.1f}" text-anchor="end">{y:,.6g}</text>')
    for x in xs:
        at, _ = place(x, low)
        out.append(f'<path d="M{at:.1f} {HEIGHT - BOTTOM}v5" stroke="#555"/>')
        out.append(f'<text x="{at:.1f}" y="{HEIGHT - BOTTOM + 18}" text-anchor="middle">{x:,}</text>')
    out.append(f'<path d="M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}" fill="none" stroke="#555"/>')
    for colour, (name, points) in zip(COLOURS, series.items()):
        path = "L".join(f"{x:.1f} {y:.1f}" for x, y in (place(*point) for point in points))
        out.append(f'<path d="M{path}" fill="none" stroke="{colour}" stroke-width="2"/>')
        for x, y in points:
            at, height = place(x, y)
            out.append(f'<circle cx="{at:.1f}" cy="{height:.1f}" r="3" fill="{colour}"><title>{x:,}: {y:,.4g}</title></circle>')
        out.append(f'<text x="{at + 8:.1f}" y="{height + 4:.1f}" fill="{colour}">{name} {y:,.{0 if y >= 100 else 2}f}</text>')
    out.append(f'<text x="{(LEFT + WIDTH - RIGHT) / 2}" y="{HEIGHT - 10}" text-anchor="middle">{across}</text>')
    out.append(f'<text transform="translate(16 {HEIGHT / 2}) rotate(-90)" text-anchor="middle">{up}</text></svg>\n')
    return "\n".join(out)


def main():
    """Writes the plots."""
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    figures, directory = read(sys.stdin), pathlib.Path(sys.argv[1])
    directory.mkdir(parents=True, exist_ok=True)
    for name, (title, across, (up, unit), wanted) in PLOTS.items():
        series = {
            label: [(x, y / unit / divisor) for x, y in figures[key]]
            for key, (label, divisor) in wanted.items()
            if key in figures
        }
        if series:
            (directory / f"{name}.svg").write_text(svg(title, across, up, series), encoding="utf-8")
        else:
            print(f"no figures for {name}", file=sys.stderr)


if __name__ == "__main__":
    main()
