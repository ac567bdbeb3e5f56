#!/usr/bin/env python3
"""Pictures and the table of figures from the JSON of bench-limit and bench-peers: roofline.svg, phases.svg,
scaling.svg, peers.svg, and the part of performance.md between its two marks."""

import argparse
import json
import math
import os
import statistics

STYLE = """
.page{fill:#fcfcfb;stroke:#e3e2df} text{font-family:system-ui,sans-serif;font-size:13px;fill:#52514e}
.title{font-size:17px;font-weight:600;fill:#0b0b0b} .strong{font-weight:600;fill:#0b0b0b} .small{font-size:11.5px}
.grid{stroke:#e7e6e2} .axis{stroke:#a8a69f} .end{text-anchor:end} .mid{text-anchor:middle}
.a{fill:#2a78d6} .b{fill:#eb6834} .c{fill:#a8a69f} .ring{stroke:#fcfcfb;stroke-width:2}
.halo{paint-order:stroke;stroke:#fcfcfb;stroke-width:5;stroke-linejoin:round}
.la{stroke:#2a78d6} .lb{stroke:#eb6834} .lc{stroke:#8a8880} .line{fill:none;stroke-width:2} .dash{stroke-dasharray:3 5}
@media (prefers-color-scheme:dark){.page{fill:#1a1a19;stroke:#3a3936} text{fill:#c3c2b7} .title,.strong{fill:#fff}
.grid{stroke:#2e2d2b} .axis{stroke:#75736c} .a{fill:#3987e5} .b{fill:#d95926} .c{fill:#75736c}
.ring,.halo{stroke:#1a1a19} .la{stroke:#3987e5} .lb{stroke:#d95926} .lc{stroke:#8a8880}}
"""


class Picture:
    def __init__(self, width, height, title, subtitle):
        self.size, self.title, self.parts = (width, height), title, []
        self.text(24, 34, title, "title")
        self.text(24, 54, subtitle)

    def text(self, x, y, text, kind="", angle=0):
        text = str(text).replace("&", "&amp;").replace("<", "&lt;")
        turn = f' transform="rotate({angle:.1f} {x:.1f} {y:.1f})"' if angle else ""
        self.parts.append(f'<text x="{x:.1f}" y="{y:.1f}" class="{kind}"{turn}>{text}</text>')

    def line(self, points, kind):
        path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
        self.parts.append(f'<polyline points="{path}" fill="none" class="{kind}"/>')

    def bar(self, x, y, width, height, kind):
        self.parts.append(f'<rect x="{x:.1f}" y="{y:.1f}" width="{max(width, 1):.1f}" height="{height}" rx="2" '
                          f'class="{kind}"/>')

    def dot(self, x, y, kind, radius=6):
        self.parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="{radius}" class="{kind}"/>')

    def write(self, folder, name):
        width, height = self.size
        with open(os.path.join(folder, name), "w", encoding="utf-8") as file:
            file.write(f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" '
                       f'height="{height}" role="img" aria-label="{self.title}">\n<style>{STYLE}</style>\n'
                       f'<rect class="page" x=".5" y=".5" width="{width - 1}" height="{height - 1}" rx="8"/>\n')
            file.write("\n".join(self.parts) + "\n</svg>\n")


def scale(low, high, begin, end):
    """Logarithmic: value -> place."""
    return lambda value: begin + (math.log(value) - math.log(low)) / (math.log(high) - math.log(low)) * (end - begin)


class Limit:
    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        self.context, self.measurements = report["context"], report["measurements"]
        self.median = {m["name"]: m["median"] for m in report["measurements"]}
        peaks = [name.split("/") for name in self.median if name.startswith("FMA peak/")]
        self.isa = peaks[0][1]  # the best one comes first
        self.isas = {name.split("/")[1] for name in self.median if name.startswith("training/")}
        self.threads = sorted({int(p[2].split(":")[1]) for p in peaks})
        self.most = self.threads[-1]

    def of(self, what, rest="", threads=None):
        return self.median.get(f"{what}/{self.isa}/threads:{threads or self.most}{rest}")

    def where(self):
        return f"{self.context['cpu']}, {self.isa}, {self.most} thread{'s' if self.most > 1 else ''}"


# Bytes that one batch of 1000 must move at the least, each operand once: what it reads and writes, in floats.
UNITS, PIXELS, BATCH = 500, 784, 1000
TRAFFIC = {
    "forward": (2 * UNITS * UNITS * BATCH, 4 * (2 * BATCH * UNITS + UNITS * UNITS)),
    "input gradient": (2 * UNITS * UNITS * BATCH, 4 * (3 * BATCH * UNITS + UNITS * UNITS)),
    "weight update": (2 * UNITS * UNITS * BATCH, 4 * (2 * BATCH * UNITS + 6 * UNITS * UNITS)),
    "layer 1, forward": (2 * PIXELS * UNITS * BATCH, BATCH * PIXELS + 4 * (BATCH * UNITS + PIXELS * UNITS)),
    "layer 1, weight update": (2 * PIXELS * UNITS * BATCH, BATCH * PIXELS + 4 * (BATCH * UNITS + 6 * PIXELS * UNITS)),
}


def roofline(limit, out):
    p = Picture(820, 480, "Roofline", limit.where() + "; ceilings and kernels measured in one process")
    left, right, top, bottom = 70, 790, 80, 420
    peak = limit.of("FMA peak")
    high = 1.5 * max([peak] + [limit.of("kernel", f"/{k}, rate") for k in TRAFFIC])
    low, x0, x1 = peak / 30, 0.5, 1024
    x, y = scale(x0, x1, left, right), scale(low, high, bottom, top)
    for value in (2**i for i in range(-1, 11)):
        p.line([(x(value), top), (x(value), bottom)], "grid")
        p.text(x(value), bottom + 18, f"{value:g}", "mid small")
    for value in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000):
        if low <= value <= high:
            p.line([(left, y(value)), (right, y(value))], "grid")
            p.text(left - 8, y(value) + 4, value, "end small")
    p.text((left + right) / 2, bottom + 40, "arithmetic intensity, FLOP for each byte of operands", "mid")
    p.text(24, 74, "GFLOP/s", "small")
    p.line([(left, y(peak)), (right, y(peak))], "la line")
    p.text(left + 8, y(peak) - 9, f"FMA peak {peak:.0f} GFLOP/s", "strong halo")
    p.text(left + 8, top + 16, "Orange: zeros are skipped, but count as computed; so the rate may be above the peak.",
           "small halo")
    slope = math.degrees(math.atan2(y(2 * peak) - y(peak), x(2) - x(1)))
    for level, side in (("L2", -9), ("L3", 20), ("memory", 20)):
        bandwidth = limit.median[f"bandwidth/{level}/threads:{limit.most}"]
        begin, end = max(x0, low / bandwidth), peak / bandwidth
        if begin < end:
            p.line([(x(begin), y(begin * bandwidth)), (x(end), y(peak))], "lc line")
            middle = math.sqrt(begin * end)
            p.text(x(middle), y(middle * bandwidth) + side, f"{level} {bandwidth:.0f} GB/s", "small mid halo", slope)
    # The labels of layer 1 stand beside their dots. Those of the dense kernels, whose dots are close, stand below one
    # another: the dot furthest to the right has the lowest, so that no connection crosses another.
    dots = {kernel: (x(flop / size), y(limit.of("kernel", f"/{kernel}, rate")))
            for kernel, (flop, size) in TRAFFIC.items()}
    dense = sorted((kernel for kernel in dots if "layer 1" not in kernel), key=lambda kernel: dots[kernel][0])
    label_y = max(y(peak), *(dots[kernel][1] for kernel in dense)) + 10
    leftmost = dots[dense[0]][0]
    for kernel in dense:
        label_y += 18
        p.line([(leftmost - 44, label_y), (leftmost - 34, label_y), dots[kernel]], "axis")
        p.text(leftmost - 50, label_y + 4, f"{kernel} {limit.of('kernel', '/' + kernel):.2f}×",
               "strong small end halo")
    for kernel, (dot_x, dot_y) in dots.items():
        p.dot(dot_x, dot_y, ("a" if kernel in dense else "b") + " ring", 7)
        if kernel not in dense:
            side = -13 if "update" in kernel else 13
            p.text(dot_x + side, dot_y + 4, f"{kernel} {limit.of('kernel', '/' + kernel):.2f}×",
                   "strong small halo" + (" end" if side < 0 else ""))
    p.write(out, "roofline.svg")


def phases(limit, out):
    names = [n.split("/phase/")[1] for n in limit.median
             if n.startswith(f"training/{limit.isa}/threads:{limit.most}/phase/") and not n.endswith(", over peak")]
    whole = limit.of("training")
    p = Picture(820, 118 + 28 * len(names),
                f"A training of {limit.context['epochs']} epochs in {whole:.2f} s: where the time goes",
                f"{limit.where()}; R = {limit.of('training', '/R'):.2f}: the time of the training over its dense limit")
    seconds = {n: limit.of("training", f"/phase/{n}") for n in names}
    longest = max(max(seconds.values()), *(s * (limit.of("training", f"/phase/{n}, over peak") or 0)
                                            for n, s in seconds.items()))
    at, wide = 200, 400
    for i, name in enumerate(names):
        y = 76 + 28 * i
        rate = limit.of("training", f"/phase/{name}, over peak")
        p.text(at - 10, y + 15, name, "end")
        skips = rate and name != "weight update, others"
        p.bar(at, y + 2, seconds[name] / longest * wide, 18, "b" if skips else "a" if rate else "c")
        end = seconds[name]
        if rate:
            dense = at + seconds[name] * rate / longest * wide
            p.line([(dense, y - 1), (dense, y + 23)], "axis line")
            end = max(end, seconds[name] * rate)
        note = f"{seconds[name]:.3f} s · {100 * seconds[name] / whole:.1f}%"
        note += f" · {rate:.2f}× peak" if rate else ""
        p.text(at + end / longest * wide + 10, y + 15, note, "small")
    p.text(24, 98 + 28 * len(names),
           "Vertical lines: what the phase would take at the FMA peak if no zero were skipped. "
           "Orange: phases that skip some.", "small")
    p.write(out, "phases.svg")


def scaling(limit, out):
    base, first = limit.of("training", "", 1), limit.of("prediction", "", 1)
    if base is None or first is None:
        return
    p = Picture(820, 500, "Threads", f"{limit.context['cpu']}, {limit.isa}; speed-up of a training over one thread")
    left, right, top, bottom = 70, 740, 84, 400
    x, y = scale(1, 64, left, right), scale(1, 64, bottom, top)
    for value in (1, 2, 4, 8, 16, 32, 64):
        p.line([(x(value), top), (x(value), bottom)], "grid")
        p.line([(left, y(value)), (right, y(value))], "grid")
        p.text(x(value), bottom + 22, value, "mid small")
        p.text(left - 14, y(value) + 4, f"{value}×", "end small")
    p.line([(x(1), y(1)), (x(64), y(64))], "axis dash")
    p.text(x(20), y(30), "as many times as threads", "end small halo")
    predicted = {t: first / limit.of("prediction", "", t) for t in range(1, 65) if limit.of("prediction", "", t)}
    p.line([(x(t), y(max(1, speed))) for t, speed in predicted.items()], "lb line dash")
    for t in (4, 8, 16, 32, 64):
        if t in predicted:
            p.text(x(t) + 12, y(predicted[t]) + 20, f"{predicted[t]:.1f}×", "small halo")
    measured = [(x(t), y(base / limit.of("training", "", t))) for t in limit.threads]
    p.line(measured, "la line")
    for t, (px, py) in zip(limit.threads, measured):
        p.dot(px, py, "a ring", 7)
        if t > 1:
            p.text(px + 12, py - 6 if py > bottom - 20 else py + 20,
                   f"{base / limit.of('training', '', t):.2f}× measured", "strong small halo")
    p.line([(left, 443), (left + 34, 443)], "la line")
    p.text(left + 42, 447, "measured on the cores that are here", "small")
    p.line([(left + 300, 443), (left + 334, 443)], "lb line dash")
    p.text(left + 342, 447, "PREDICTION, nobody has measured it", "small strong")
    barrier = limit.median["barrier/threads:2"]
    p.text(24, 470, "It divides the measured time of one thread as the engine does, by the slowest share of a step, "
           "and assumes that every core is as fast", "small")
    p.text(24, 486, "as one alone, that caches grow with the cores so that memory is no bound, and that a barrier "
           f"takes {barrier:.3g} µs × log2(threads).", "small")
    p.write(out, "scaling.svg")


# What bench-peers measures, in the order of the picture: title, unit, decimals.
COMPARED = {
    "training": ("training, {epochs} epochs with validation, data in memory: shorter is better", "s", 2),
    "whole process": ("whole process, from its start to the tested model: shorter is better", "s", 2),
    "peak memory": ("peak memory of the process: shorter is better", "MB", 0),
    "sgemm": ("matrix product {m} × {k} × {n}: longer is better", "GFLOP/s", 1),
}


class Compared:
    """The medians of bench-peers by what was measured, threads and name."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as file:
            report = json.load(file)
        self.context, self.results = report["context"], report["results"]
        self.threads = sorted({int(what.split("threads:")[1]) for what in self.results})

    def rows(self, kind, threads):
        """(the shape, name -> values turn by turn) of each row of this kind."""
        for what, row in self.results.items():
            parts = what.split("/")
            if parts[0] == kind and parts[-1] == f"threads:{threads}":
                yield dict(part.split(":") for part in parts[1:-1]), row

    def ratios(self, kind, threads, bf16):
        """Of the fastest peer in that precision: its name, and its values over ours turn by turn."""
        ours = "mnist_fast bf16" if bf16 else "mnist_fast"
        for _, row in self.rows(kind, threads):
            peers = [name for name in row if name.endswith(" bf16") == bf16 and name != ours]
            if peers and ours in row:
                fastest = min(peers, key=lambda name: statistics.median(row[name]))
                return fastest, over_ours(row, fastest, ours)
        return None, []


def over_ours(row, name, ours="mnist_fast"):
    return [theirs / own for theirs, own in zip(row[name], row[ours])]


def peers(compared, out):
    groups = [(kind, threads, shape, row) for kind in COMPARED
              for threads in (compared.threads if kind == "training" else compared.threads[-1:])
              for shape, row in compared.rows(kind, threads)]
    context, most = compared.context, compared.threads[-1]
    p = Picture(820, 110 + sum(22 * len(row) + 44 for *_, row in groups), "Beside other frameworks",
                f"{context['cpu']}, {context['cpus']} processors; medians of {context['repeat']} turns in one run"
                + (f"; busy: others used {context['others']:.1f} of them" if context["others"] > 0.1 else ""))
    versions = [f"{name} {version}" for name, version in context["versions"].items()
                if name in ("PyTorch", "Keras", "JAX")]
    p.text(24, 72, ", ".join(versions).replace("Keras 2", "TensorFlow 2"), "small")
    y, at, wide = 102, 240, 400
    for kind, threads, shape, row in groups:
        title, unit, decimals = COMPARED[kind]
        p.text(24, y + 8, title.format(**shape, **context) + f" · {threads} thread{'s' if threads > 1 else ''}", "strong")
        y += 18
        medians = {name: statistics.median(values) for name, values in row.items()}
        for name, value in medians.items():
            p.text(at - 10, y + 13, name, "end small" + (" strong" if name.startswith("mnist_fast") else ""))
            length = value / max(medians.values()) * wide
            p.bar(at, y + 2, length, 14, "a" if name.startswith("mnist_fast") else "c")
            p.text(at + length + 10, y + 13,
                   f"{value:.{decimals}f} {unit} · {statistics.median(over_ours(row, name)):.2f}×", "small")
            y += 22
        y += 26
    p.write(out, "peers.svg")


WHAT = {
    "/R": "training, R", "/over threads:2": "training, over 2 threads", "test set": "test set, over its dense limit",
    "one image": "one image, µs", "peak memory": "program, peak memory, MB",
    "outside training": "program, time outside training, s",
    "noise": "noise images, skipping zeros allowed over forbidden",
}


def figures(limit, compared):
    """The lines of the table in Markdown: what, where, must, goal, median, range."""
    context = limit.context
    busy = f" **The machine was busy (load {context['load']:.1f}).**" if context["load"] > 0.5 else ""
    lines = [f"{context['cpu']}, {context['cpus']} processors, commit {context['commit']}; "
             f"{context['repeat']} trainings of {context['epochs']} epochs each, medians.{busy}", "",
             "| | ISA | threads | must | goal | measured | range | |", "|---|---|---|---|---|---|---|---|"]
    for m in (m for m in limit.measurements if "must" in m):
        parts = m["name"].split("/")
        what = next((text for key, text in WHAT.items() if key in m["name"]), f"{parts[-1]}, × peak")
        isa = next((part for part in parts if part in limit.isas), limit.isa)
        threads = next((part.split(":")[1] for part in parts if part.startswith("threads:")), 2)
        lines.append(table_row(what, isa, threads, m["must"], m["goal"], m["values"]))
    for kind, must, goal in (("training", 1.3, 1.7), ("whole process", 5, 10)) if compared else ():
        for bf16 in (False, True):
            fastest, ratios = compared.ratios(kind, 2, bf16)
            if fastest:
                lines.append(table_row(f"{kind}, the fastest peer ({fastest}) over ours{' in bf16' * bf16}", limit.isa, 2,
                                       must, goal, ratios))
    return lines


def table_row(what, isa, threads, must, goal, values):
    middle, sign = statistics.median(values), "≥" if goal > must else "≤"
    must_reached, goal_reached = (middle >= t if goal > must else middle <= t for t in (must, goal))
    return (f"| {what} | {isa} | {threads} | {sign} {must:g} | {sign} {goal:g} | **{middle:.3g}** | "
            f"{min(values):.3g}–{max(values):.3g} | "
            f"{'goal' if goal_reached else 'must' if must_reached else 'missed'} |")


def replace_figures(path, lines):
    with open(path, encoding="utf-8") as file:
        text = file.read()
    begin, end = "<!-- figures: written by make bench-plots -->\n", "<!-- end of figures -->"
    head, rest = text.split(begin)
    with open(path, "w", encoding="utf-8") as file:
        file.write(head + begin + "\n".join(lines) + "\n" + end + rest.split(end)[1])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--limit", help="JSON of make bench-limit")
    parser.add_argument("--peers", help="JSON of make bench-peers")
    parser.add_argument("--out", default="docs", help="folder of the pictures")
    args = parser.parse_args()
    compared = Compared(args.peers) if args.peers and os.path.exists(args.peers) else None
    if args.limit and os.path.exists(args.limit):
        limit = Limit(args.limit)
        roofline(limit, args.out)
        phases(limit, args.out)
        scaling(limit, args.out)
        page = os.path.join(args.out, "performance.md")
        if os.path.exists(page):
            replace_figures(page, figures(limit, compared))
    if compared:
        peers(compared, args.out)


if __name__ == "__main__":
    main()
