"""Runs jobs, and keeps what they came to: a run that has ended is not made again."""
import concurrent.futures
import json
import os
import pathlib
import re
import statistics
import subprocess
import threading
import time

LONGEST_S = 1800


def processor():
    """What this machine's is called."""
    return next((line.split(":", 1)[1].strip()
                 for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines()
                 if line.startswith("model name")), "an unknown processor")


class Results:
    """The reports of runs, one file each, in `folder`."""

    def __init__(self, sluice, folder, device="cpu"):
        self.sluice, self.folder, self.device = sluice, folder, device
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, job, seed, published_rule=False):
        return self.folder / (job.name(seed, published_rule) + ".json")

    def read(self, job, seed, published_rule=False):
        path = self.path(job, seed, published_rule)
        return json.loads(path.read_text()) if path.exists() else None

    def make(self, job, seed, published_rule, cores):
        """What is said of the run, on those cores. One that fails is tried again next time."""
        path = self.path(job, seed, published_rule)
        report = path.with_suffix(".part")
        command = ["taskset", "--cpu-list", ",".join(map(str, cores)),
                   self.sluice, "train", *job.flags(seed, published_rule),
                   "--device", self.device, "--verbose", "0", "--report", report]
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
        result["machine"] = f"{len(cores)} cores of {processor()}"
        if self.device != "cpu":
            result["machine"] = f"a GPU and {result['machine']}"
        report.write_text(json.dumps(result, indent=1))
        report.replace(path)
        return f"accuracy {result['test_accuracy']:.4f}, {result['training_time_s']:.0f} s"

    def machines(self):
        """What the runs were made on, in words."""
        found = {json.loads(path.read_text()).get("machine", "a machine without a name")
                 for path in self.folder.glob("*.json")}
        return ", or on ".join(sorted(found)) or "no machine yet"

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
        self.seconds = statistics.median(report["training_time_s"] for report in reports)
        self.updates = [report["server_updates"] for report in reports]
        self.staleness = statistics.mean(report["staleness"]["mean"] for report in reports)
        self.most_stale = max(report["staleness"]["max"] for report in reports)

    def accuracy_text(self):
        if self.seeds == 1:
            return f"{self.accuracy:.4f}"
        return f"{self.accuracy:.4f} ± {statistics.stdev(self.accuracies):.4f}"


def make_all(results, runs, parallel=1, say=print):
    """`runs`: (job, seed, published_rule), in order; twice the same counts once. `parallel`: as
    many at a time, each on its share of the cores."""
    runs = list(dict.fromkeys(runs))
    missing = [run for run in runs if not results.path(*run).exists()]
    say(f"{len(runs)} runs, of which {len(runs) - len(missing)} have been made")
    cores = sorted(os.sched_getaffinity(0))
    each = max(len(cores) // parallel, 1)
    shares = [cores[begin:begin + each] for begin in range(0, each * parallel, each)]
    began, done, failed = time.monotonic(), 0, 0
    lock = threading.Lock()

    def make(run):
        nonlocal done, failed
        with lock:
            share = shares.pop()
        try:
            said = results.make(*run, share)
        finally:
            with lock:
                shares.append(share)
        with lock:
            done += 1
            failed += said.startswith("failed")
            left = (time.monotonic() - began) / done * (len(missing) - done)
            job, *which = run
            say(f"{done}/{len(missing)} {job.name(*which)}: {said}; {left / 60:.0f} min left")

    with concurrent.futures.ThreadPoolExecutor(parallel) as pool:
        try:
            for one in [pool.submit(make, run) for run in missing]:
                one.result()
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # nobody waits for what has not begun
            raise
    return failed


def trainers_of(sluice):
    """The names that --trainer takes."""
    text = subprocess.run([sluice, "help", "train"], capture_output=True, text=True,
                          check=True).stdout
    names = re.search(r"--trainer\s+([a-z0-9_|\s]+?)\n\s+algorithm", text).group(1)
    return re.sub(r"\s", "", names).split("|")
