"""A driver with a server and some workers, each on a host of its own, whose lines are slow: hosts
are network namespaces, joined by a bridge, and every line is shaped in both directions."""
import json
import os
import pathlib
import signal
import subprocess
import time

def run(*command, check=True):
    done = subprocess.run(command, capture_output=True, text=True)
    if check and done.returncode != 0:
        raise SystemExit(f"network: {' '.join(command)}: {done.stderr.strip()}\n"
                         "network: this bench makes network namespaces and shapes their lines: it "
                         "needs root, iproute2, and a kernel with veth, bridge and sch_tbf")


class Hosts:
    """`count` hosts, the first of which is at 10.213.7.1, with lines of so many Mb/s."""

    def __init__(self, count, megabits):
        self.names = [f"sluice-{os.getpid()}-{i}" for i in range(count)]
        self.bridge = f"hub{os.getpid()}"
        self.megabits = megabits

    def __enter__(self):
        try:
            self.make()
        except BaseException:
            self.__exit__()
            raise
        return self

    def make(self):
        run("ip", "link", "add", self.bridge, "type", "bridge")
        run("ip", "link", "set", self.bridge, "up")
        for i, name in enumerate(self.names):
            line = f"line{os.getpid()}-{i}"
            run("ip", "netns", "add", name)
            run("ip", "link", "add", line, "type", "veth", "peer", "name", "line", "netns", name)
            run("ip", "link", "set", line, "master", self.bridge, "up")
            self.inside(i, "ip", "addr", "add", f"{self.address(i)}/24", "dev", "line")
            for device in ("line", "lo"):
                self.inside(i, "ip", "link", "set", device, "up")
            self.shape("tc", "qdisc", "add", "dev", line)
            self.shape("ip", "netns", "exec", name, "tc", "qdisc", "add", "dev", "line")

    def __exit__(self, *_):
        for name in self.names:
            run("ip", "netns", "del", name, check=False)
        run("ip", "link", "del", self.bridge, check=False)

    def shape(self, *add):
        # What a switch holds back, about a hundredth of a second.
        burst = max(self.megabits * 1000 // 8 // 4, 16)
        run(*add, "root", "tbf", "rate", f"{self.megabits}mbit", "burst", f"{burst}kb", "latency",
            "50ms")

    def address(self, i):
        return f"10.213.7.{i + 1}"

    def inside(self, i, *command):
        run("ip", "netns", "exec", self.names[i], *command)

    def start(self, i, *command):
        return subprocess.Popen(["ip", "netns", "exec", self.names[i], *command],
                                stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)

    def bytes(self, i):
        """That the host's line has carried, both ways."""
        told = subprocess.run(["ip", "netns", "exec", self.names[i], "cat",
                               "/sys/class/net/line/statistics/rx_bytes",
                               "/sys/class/net/line/statistics/tx_bytes"],
                              capture_output=True, text=True, check=True)
        return sum(int(line) for line in told.stdout.split())


def train(sluice, hosts, job, report: pathlib.Path, most_s=3600):
    """Runs a job with a worker on each host but the first; its report, and the megabytes that the
    first one's line has carried."""
    driver = f"{hosts.address(0)}:7070"
    workers = len(hosts.names) - 1
    before = hosts.bytes(0)
    started = [hosts.start(0, sluice, "driver", "--listen", driver, "--workers", str(workers),
                           "--report", str(report), "--verbose", "0", "--idle-timeout", "60",
                           *job)]
    started.append(hosts.start(0, sluice, "server", "--driver", driver, "--listen",
                               f"{hosts.address(0)}:7071", "--log-level", "error"))
    for i in range(1, workers + 1):
        started.append(hosts.start(i, sluice, "worker", "--driver", driver, "--index", str(i - 1),
                                   "--log-level", "error"))
    try:
        _, said = started[0].communicate(timeout=most_s)
        if started[0].returncode != 0:
            raise SystemExit(f"network: the driver ended with {started[0].returncode}: {said}")
    finally:
        time.sleep(0.5)
        for process in started:
            if process.poll() is None:
                process.send_signal(signal.SIGKILL)
            process.wait()
    return json.loads(report.read_text()), (hosts.bytes(0) - before) / 1e6
