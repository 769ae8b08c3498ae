"""Runs jobs, and keeps what they came to: a run that has ended is not made again."""
import json
import os
import re
import statistics
import subprocess
import time

LONGEST_S = 1800


class Results:
    """The reports of runs, one file each, in `folder`."""

    def __init__(self, sluice, folder):
        self.sluice, self.folder = sluice, folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, job, seed, published_rule=False):
        return self.folder / (job.name(seed, published_rule) + ".json")

    def read(self, job, seed, published_rule=False):
        path = self.path(job, seed, published_rule)
        return json.loads(path.read_text()) if path.exists() else None

    def make(self, job, seed, published_rule=False):
        """What is said of the run. A job that fails is said, and tried again the next time."""
        path = self.path(job, seed, published_rule)
        report = path.with_suffix(".part")
        command = [self.sluice, "train", *job.flags(seed, published_rule), "--verbose", "0",
                   "--report", report]
        # Threads of several workers would wait for one another by spinning, on cores that others
        # need.
        environment = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        try:
            ended = subprocess.run(command, env=environment, capture_output=True, text=True,
                                   timeout=LONGEST_S, check=False)
        except subprocess.TimeoutExpired:
            return f"failed: not done after {LONGEST_S} s"
        if ended.returncode != 0:
            last = (ended.stderr.strip().splitlines() or ["without a word"])[-1]
            return f"failed with status {ended.returncode}: {last}"
        result = json.loads(report.read_text())
        if result["dataset"] != "mnist":
            report.unlink()
            raise SystemExit(f"convergence: {result['dataset']} instead of MNIST: put its files "
                             "where $SLUICE_DATA_DIR says")
        for detail in ("model", "workers", "servers"):
            del result[detail]
        report.write_text(json.dumps(result, indent=1))
        report.replace(path)
        return f"accuracy {result['test_accuracy']:.4f}, {result['training_time_s']:.0f} s"

    def summary(self, job, seeds, published_rule=False):
        """The figures over all seeds that have been run, or None."""
        reports = [report for seed in range(1, seeds + 1)
                   if (report := self.read(job, seed, published_rule))]
        return Summary(reports) if reports else None


class Summary:
    def __init__(self, reports):
        self.seeds = len(reports)
        self.accuracies = [report["test_accuracy"] for report in reports]
        self.accuracy = statistics.mean(self.accuracies)
        self.seconds = statistics.mean(report["training_time_s"] for report in reports)
        self.updates = [report["server_updates"] for report in reports]
        self.staleness = statistics.mean(report["staleness"]["mean"] for report in reports)
        self.most_stale = max(report["staleness"]["max"] for report in reports)

    def accuracy_text(self):
        if self.seeds == 1:
            return f"{self.accuracy:.4f}"
        return f"{self.accuracy:.4f} ± {statistics.stdev(self.accuracies):.4f}"


def make_all(results, runs, say=print):
    """`runs`: (job, seed, published_rule), in order; twice the same counts once."""
    runs = list(dict.fromkeys(runs))
    missing = [run for run in runs if not results.path(*run).exists()]
    say(f"{len(runs)} runs, of which {len(runs) - len(missing)} have been made")
    began, failed = time.monotonic(), 0
    for number, (job, seed, published_rule) in enumerate(missing, 1):
        said = results.make(job, seed, published_rule)
        failed += said.startswith("failed")
        left = (time.monotonic() - began) / number * (len(missing) - number)
        say(f"{number}/{len(missing)} {job.name(seed, published_rule)}: {said}; "
            f"{left / 60:.0f} min left")
    return failed


def trainers_of(sluice):
    """The names that --trainer takes."""
    text = subprocess.run([sluice, "help", "train"], capture_output=True, text=True,
                          check=True).stdout
    names = re.search(r"--trainer\s+([a-z0-9_|\s]+?)\n\s+algorithm", text).group(1)
    return re.sub(r"\s", "", names).split("|")
