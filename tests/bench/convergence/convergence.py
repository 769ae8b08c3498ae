#!/usr/bin/env python3
"""Trains MNIST as Dist-Keras' published runs did, and with every other trainer; writes the table
and the plot of docs/convergence.md.

    python convergence.py SLUICE RESULTS DOCUMENT [--seeds N] [--only TRAINER]
                          [--parallel N] [--device DEVICE] [--quick] [--write]

Results are kept in the folder RESULTS, a file for each run: what was interrupted goes on. Files of
another build are not told apart: remove them to measure it.
"""
import argparse
import os
import pathlib
import sys

import plot
import results as kept
import runs
import table


def wanted(trainers, seeds, only):
    """(job, seed, published rule) of all that is run, the first seed of everything first."""
    tables = [job for job, _ in runs.PUBLISHED] + runs.other_jobs(trainers)
    many = [job for jobs in runs.many_jobs() for job in jobs]
    points = [job for model in (runs.CNN, runs.MLP)
              for jobs in runs.plot_jobs(model).values() for job in jobs]
    found = []
    for seed in range(1, seeds + 1):
        for job in tables + many + points:
            # Three seeds answer for many workers, and one is enough for a line of the plot.
            most = 1 if job in points else 3 if job in many else seeds
            if only and job.trainer != only or seed > most:
                continue
            found.append((job, seed, False))
            # What is known to have died is not shown again with every seed.
            if job.has_published_rule() and seed == 1:
                found.append((job, seed, True))
    return found


def parse_arguments():
    parser = argparse.ArgumentParser(prog="./dev bench convergence")
    parser.add_argument("sluice")
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("document", type=pathlib.Path)
    parser.add_argument("--seeds", type=int, default=5, help="runs of each row (5)")
    parser.add_argument("--only", metavar="TRAINER", help="run what this trainer needs")
    parser.add_argument("--parallel", type=int, default=1, metavar="N",
                        help="so many at a time, each on its share of the cores (1)")
    parser.add_argument("--device", default="cpu", help="of the workers (cpu)")
    parser.add_argument("--quick", action="store_true",
                        help="a seed of the published runs with three workers and one pass, into "
                             "RESULTS-quick.md")
    parser.add_argument("--write", action="store_true",
                        help="run nothing, write what has been measured")
    arguments = parser.parse_args()
    if not 1 <= arguments.parallel <= len(os.sched_getaffinity(0)):
        parser.error(f"--parallel: expected 1 to {len(os.sched_getaffinity(0))}, the cores here")
    return arguments


def main():
    arguments = parse_arguments()
    trainers = kept.trainers_of(arguments.sluice)
    if arguments.only and arguments.only not in trainers:
        sys.exit(f"convergence: there is no trainer {arguments.only}: {', '.join(trainers)}")
    all_runs = wanted(trainers, arguments.seeds, arguments.only)
    if arguments.quick:
        quick = {job for job, _ in runs.PUBLISHED if job.workers == 3 and job.epochs == 1}
        all_runs = [run for run in all_runs if run[0] in quick and run[1] == 1]
        arguments.document = arguments.results.with_name("convergence-quick.md")
    results = kept.Results(arguments.sluice, arguments.results, arguments.device)
    failed = 0 if arguments.write else kept.make_all(
        results, all_runs, arguments.parallel, lambda line: print(line, flush=True))
    charts = plot.draw(results)
    picture = arguments.document.with_suffix(".svg")
    if charts:
        picture.write_text(charts)
    arguments.document.write_text(
        table.document(results, trainers, arguments.seeds, picture.name if charts else None))
    print(f"written: {arguments.document}" + (f", {picture}" if charts else ""))
    if failed:
        sys.exit(f"convergence: {failed} run(s) failed; the next call makes them again")


if __name__ == "__main__":
    main()
