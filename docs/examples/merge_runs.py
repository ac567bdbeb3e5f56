#!/usr/bin/env python3
"""Merge what many runs of mnist_fast --json printed into one table: merge_runs.py [--json] FILE...

A FILE holds the output of one run or of many, one after another; - is standard input. The table has a line for each
run, with the settings in which the runs differ, and then for each setting the mean over its seeds with a 95% interval
(Student's t). It depends on the runs alone: not on the order of the files, on the machines, or on the times. --json
prints one JSON object a run instead, with all its settings and results.

The same settings and seed must give the same weights wherever they ran: runs that differ are an error, and equal ones
count once. A run that was started and not finished is an error as well: see exit status 1 and repeat it."""

import argparse
import json
import math
import statistics
import sys
from collections import defaultdict

RESULTS = ["epochs_done", "best_epoch", "test_loss", "test_accuracy", "weights_crc32"]
# What the result does not depend on.
MACHINE = ["event", "isa", "threads", "data"]


def read_runs(lines, name):
    """Yields (settings, results) for each run of the lines; results is None where a run was not finished."""
    settings = None
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            event = json.loads(line)
            kind = event["event"]
        except (ValueError, KeyError, TypeError):
            sys.exit(f"merge_runs.py: {name}:{number}: expected a line that mnist_fast --json prints")
        if kind == "start":
            if settings:
                yield settings, None
            settings = {key: value for key, value in event.items() if key not in MACHINE}
        elif kind == "summary":
            if not settings:
                sys.exit(f"merge_runs.py: {name}:{number}: a summary without the start of its run")
            yield settings, {key: event[key] for key in RESULTS}
            settings = None
    if settings:
        yield settings, None


def text(value):
    if isinstance(value, list):
        return ",".join(map(str, value))
    return "-" if value is None else str(value)


def order(settings):
    """Numbers by size, before texts."""
    return [(isinstance(value, str), [value] if not isinstance(value, list) else value)
            for _, value in sorted(settings.items()) if value is not None]


def t_probability(t, freedom):
    """P(|T| < t), Student's distribution with a whole number of degrees of freedom."""
    angle = math.atan(t / math.sqrt(freedom))
    odd = freedom % 2
    term = total = math.cos(angle) if odd else 1.0
    for k in range(2 + odd, freedom - 1, 2):
        term *= math.cos(angle) ** 2 * (k - 1) / k
        total += term
    if not odd:
        return math.sin(angle) * total
    return 2 / math.pi * (angle + (math.sin(angle) * total if freedom > 1 else 0))


def t_quantile(probability, freedom):
    low, high = 0.0, 1e6
    for _ in range(100):
        middle = (low + high) / 2
        low, high = (middle, high) if t_probability(middle, freedom) < probability else (low, middle)
    return high


def interval(values, digits, scale=1):
    """The mean, and half the width of its 95% interval."""
    mean = f"{statistics.fmean(values) * scale:.{digits}f}"
    if len(values) < 2:
        return mean, "-"
    half = t_quantile(0.95, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))
    return mean, f"{half * scale:.{digits}f}"


def print_table(rows):
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    for row in rows:
        print("  ".join(cell.rjust(width) for cell, width in zip(row, widths)))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("files", nargs="+", metavar="FILE")
    arguments = parser.parse_args()

    runs, problems = {}, []
    for name in arguments.files:
        try:
            with sys.stdin if name == "-" else open(name, encoding="utf-8") as file:
                for settings, results in read_runs(file, name):
                    key = json.dumps(settings, sort_keys=True)
                    known = runs.setdefault(key, (settings, results))
                    if results and not known[1]:
                        runs[key] = (settings, results)
                    elif results and results != known[1]:
                        problems.append(f"{name}: seed {settings['seed']}: expected the results of another run with "
                                        f"these settings ({known[1]}), found {results}")
        except OSError as error:
            sys.exit(f"merge_runs.py: {name}: {error.strerror}")
    done = sorted((run for run in runs.values() if run[1]), key=lambda run: order(run[0]))
    problems += [f"seed {settings['seed']}: not finished; repeat it: {settings}"
                 for settings, results in runs.values() if not results]

    if arguments.json:
        for settings, results in done:
            print(json.dumps({**settings, **results}))
    elif done:
        keys = sorted({key for settings, _ in done for key in settings} - {"seed", "parameters"})
        keys = [key for key in keys if len({text(settings.get(key)) for settings, _ in done}) > 1]
        done.sort(key=lambda run: [order({key: run[0].get(key)}) for key in keys] + [order({"seed": run[0]["seed"]})])
        print_table([keys + ["seed"] + RESULTS] + [
            [*(text(settings.get(key)) for key in keys), text(settings["seed"]), *(text(results[key]) for key in RESULTS)]
            for settings, results in done])
        groups = defaultdict(list)
        for settings, results in done:
            groups[tuple(text(settings.get(key)) for key in keys)].append(results)
        print()
        print_table([keys + ["runs", "mean loss", "±", "mean accuracy, %", "±"]] + [
            [*group, str(len(results)), *interval([r["test_loss"] for r in results], 4),
             *interval([r["test_accuracy"] for r in results], 2, 100)] for group, results in groups.items()])
    for problem in problems:
        print(f"merge_runs.py: {problem}", file=sys.stderr)
    sys.exit(1 if problems or not done else 0)


if __name__ == "__main__":
    main()
