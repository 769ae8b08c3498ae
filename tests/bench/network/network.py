#!/usr/bin/env python3
"""Trains MNIST with compressed pushes and answers over slow lines, and writes docs/networks.md.

    python network.py SLUICE RESULTS DOCUMENT [--rates MBITS,...] [--seeds N] [--only TEXT]
                      [--data-dir FOLDER] [--write]

A driver and a server are on one host, two workers on two others, each behind a line of its own
(cluster.py). Results are kept in the folder RESULTS, a file for each run: what was interrupted goes
on. Remove them to measure another build.
"""
import argparse
import json
import pathlib
import statistics
import textwrap

import cluster

EPOCHS = 2
WORKERS = 2
GOAL = 0.985
# Of pushes and of answers.
KINDS = [("none", "none"), ("bf16", "bf16"), ("fp16", "fp16"), ("int8", "int8"), ("1bit", "1bit"),
         ("topk:0.1", "topk:0.1"), ("topk:0.01", "topk:0.01"), ("topk:0.01", "int8"),
         ("1bit", "int8")]


class Results:
    def __init__(self, folder):
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def file(self, rate, kind, seed):
        return self.folder / f"{rate}-{kind[0]}-{kind[1]}-{seed}.json".replace(":", "_")

    def of(self, rate, kind):
        found = []
        for seed in range(1, 100):
            file = self.file(rate, kind, seed)
            if file.exists():
                found.append(json.loads(file.read_text()))
        return found


def measure(sluice, results, rate, kind, seed, data_dir):
    file = results.file(rate, kind, seed)
    if file.exists():
        return
    job = ["--dataset", "mnist", "--epochs", str(EPOCHS), "--seed", str(seed),
           "--threads-per-worker", "1", "--compress-push", kind[0], "--compress-pull", kind[1]]
    if data_dir:
        job += ["--data-dir", str(data_dir)]
    with cluster.Hosts(WORKERS + 1, rate) as hosts:
        report, megabytes = cluster.train(sluice, hosts, job, results.folder / "report.json")
    run = {"seconds": report["training_time_s"], "accuracy": report["test_accuracy"],
           "updates": report["server_updates"], "megabytes": megabytes,
           "staleness": report["staleness"]["mean"], "version": report["versions"]}
    file.write_text(json.dumps(run))
    print(f"{rate} Mb/s, push {kind[0]}, pull {kind[1]}, seed {seed}: {run['seconds']:.1f} s, "
          f"accuracy {run['accuracy']:.4f}, {megabytes:.0f} MB", flush=True)


def row(results, rate, kind, plain):
    runs = results.of(rate, kind)
    if not runs:
        return None
    seconds = statistics.median(run["seconds"] for run in runs)
    accuracy = statistics.mean(run["accuracy"] for run in runs)
    megabytes = statistics.median(run["megabytes"] for run in runs)
    faster = f"{plain['seconds'] / seconds:.1f}" if plain else ""
    lost = f"{100 * (plain['accuracy'] - accuracy):+.2f}" if plain else ""
    reaches = "yes" if accuracy >= GOAL else "no"
    return (f"| {kind[0]} | {kind[1]} | {len(runs)} | {seconds:.1f} | **{faster}** | "
            f"{megabytes:,.0f} | {accuracy:.4f} | {reaches} | {lost} |")


ABOUT = f"""The MNIST CNN (1,048,853 parameters), ADAG, {EPOCHS} epochs, {WORKERS} workers of one
thread, batch 16, window 5: 1,500 updates. The driver and one server share a host, each worker has
its own; hosts are network namespaces of one machine with 2 cores, and every line is shaped in both
directions (`tc tbf`). *time*: of the training, median over seeds. *faster*: the time without
compression over it, at the same rate. *MB*: what the server's line has carried both ways.
*accuracy*: on the test set, mean over seeds; *{GOAL}*: whether it is reached by then; *lost*:
points of accuracy, against no compression at any rate."""


def document(results, rates):
    lines = ["# Slow networks", "", "Written by `./dev bench network`.", "",
             textwrap.fill(ABOUT, 100), ""]
    # A faster line changes nothing of what is learned, but for who comes first.
    uncompressed = [run["accuracy"] for rate in rates for run in results.of(rate, KINDS[0])]
    for rate in rates:
        plain = results.of(rate, KINDS[0])
        plain = plain and {"seconds": statistics.median(run["seconds"] for run in plain),
                           "accuracy": statistics.mean(uncompressed)}
        rows = [row(results, rate, kind, plain) for kind in KINDS]
        lines += [f"## {rate} Mb/s", "",
                  f"| push | pull | seeds | time, s | faster | MB | accuracy | {GOAL} | lost |",
                  "|---|---|---|---|---|---|---|---|---|", *filter(None, rows), ""]
    return "\n".join(lines)


def main():
    parser = argparse.ArgumentParser(prog="./dev bench network")
    parser.add_argument("sluice")
    parser.add_argument("results", type=pathlib.Path)
    parser.add_argument("document", type=pathlib.Path)
    parser.add_argument("--rates", default="100,1000", help="of the lines, in Mb/s (100,1000)")
    parser.add_argument("--seeds", type=int, default=3, help="runs of each row (3)")
    parser.add_argument("--only", metavar="PUSH", help="rows with pushes of this kind")
    parser.add_argument("--data-dir", type=pathlib.Path, help="where MNIST is looked for first")
    parser.add_argument("--write", action="store_true",
                        help="run nothing, write what has been measured")
    arguments = parser.parse_args()
    rates = [int(rate) for rate in arguments.rates.split(",")]
    results = Results(arguments.results)
    for seed in range(1, 1 + (0 if arguments.write else arguments.seeds)):
        for rate in rates:
            for kind in KINDS:
                if not arguments.only or kind[0] == arguments.only:
                    measure(arguments.sluice, results, rate, kind, seed, arguments.data_dir)
    arguments.document.write_text(document(results, rates))
    print(f"written: {arguments.document}")


if __name__ == "__main__":
    main()
