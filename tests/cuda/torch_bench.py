#!/usr/bin/env python3
"""The MNIST CNN in PyTorch, measured as sluice_cuda_bench measures ours.

    torch_bench.py [--json FILE] [--rounds N] [--batch N] [--device cpu] [quick]

As fast as PyTorch does it without writing kernels: channels last, cuDNN's fastest algorithms, fused
Adam, and the whole training step in one CUDA graph. A round replays as many steps as fill a fifth
of a second and ends when the loss of all is there; before each, its batch is copied from pinned
memory. Medians of rounds. "without input": the graph alone.

quick: few and small, to see that it runs. --device cpu: the same without CUDA graphs, for machines
without a GPU; its figures mean nothing. Exit status 77 where PyTorch or its CUDA is missing.
"""
import argparse
import json
import statistics
import sys
import time
import warnings

SKIPPED = 77
PRECISIONS = ("float32", "tf32", "mixed_bfloat16")
BATCHES = (16, 64, 256, 1024)

try:
    import torch
    from torch import nn
except Exception as error:  # also a broken installation
    print(f"skipped: no PyTorch: {error}", file=sys.stderr)
    sys.exit(SKIPPED)


def images(count, **options):
    """One channel, yet in strides that say channels last: PyTorch believes the strides, and with
    the others the first convolution would be followed by a transposition."""
    return torch.empty_strided((count, 1, 28, 28), (28 * 28, 1, 28, 1), **options)


class MnistCnn(nn.Module):
    """1,048,853 parameters, the same as ours, logits out."""

    def __init__(self):
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 32, 3), nn.ReLU(), nn.MaxPool2d(2))
        self.classifier = nn.Sequential(nn.Linear(12 * 12 * 32, 225), nn.ReLU(), nn.Linear(225, 10))

    def forward(self, x):
        # In the order of channels last: no transposition before the dense layer.
        return self.classifier(self.features(x).permute(0, 2, 3, 1).flatten(1))


class TrainingStep:
    """A step on inputs that stay where they are, and the sum of its losses."""

    def __init__(self, precision, batch, device):
        self.precision = precision
        self.device = device
        self.model = MnistCnn().to(device, memory_format=torch.channels_last)
        self.optimizer = torch.optim.Adam(
            self.model.parameters(), lr=1e-3, fused=True, capturable=device.type == "cuda")
        self.x = images(batch, device=device).zero_()
        self.y = torch.zeros(batch, dtype=torch.int64, device=device)
        self.loss_sum = torch.zeros((), device=device)
        self.graph = None

    def run(self):
        self.optimizer.zero_grad(set_to_none=True)
        mixed = self.precision == "mixed_bfloat16"
        with torch.autocast(self.device.type, torch.bfloat16, enabled=mixed, cache_enabled=False):
            loss = nn.functional.cross_entropy(self.model(self.x), self.y)
        loss.backward()
        self.optimizer.step()
        self.loss_sum += loss.detach()

    def capture(self):
        """Prepares the step: warm, then as one CUDA graph."""
        if self.device.type != "cuda":
            self.run()
            return
        stream = torch.cuda.Stream()
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            for _ in range(11):
                self.run()
        torch.cuda.current_stream().wait_stream(stream)
        torch.cuda.synchronize()
        self.graph = torch.cuda.CUDAGraph()
        self.optimizer.zero_grad(set_to_none=True)
        with torch.cuda.graph(self.graph):
            self.run()

    def replay(self):
        if self.graph is None:
            self.run()
        else:
            self.graph.replay()


def set_precision(precision):
    tf32 = precision == "tf32"
    with warnings.catch_warnings():  # a newer name of the same switches
        warnings.simplefilter("ignore")
        torch.backends.cuda.matmul.allow_tf32 = tf32
        torch.backends.cudnn.allow_tf32 = tf32


def seconds_per_step(step, steps, batch):
    """`batch`: (x, y) in pinned memory, copied before each step, or None."""
    begin = time.perf_counter()
    for _ in range(steps):
        if batch is not None:
            step.x.copy_(batch[0], non_blocking=True)
            step.y.copy_(batch[1], non_blocking=True)
        step.replay()
    step.loss_sum.item()  # waits
    return (time.perf_counter() - begin) / steps


def median_seconds(step, batch, arguments):
    guess = seconds_per_step(step, 10 if not arguments.quick else 1, batch)
    steps = max(2, min(100000, int(arguments.round_seconds / guess)))
    return statistics.median(
        seconds_per_step(step, steps, batch) for _ in range(arguments.rounds))


def measure(precision, size, device, arguments):
    set_precision(precision)
    torch.manual_seed(1)
    step = TrainingStep(precision, size, device)
    pinned = device.type == "cuda"
    x = images(size, pin_memory=pinned).uniform_()
    y = torch.empty(size, dtype=torch.int64, pin_memory=pinned).random_(10)
    step.capture()
    seconds = median_seconds(step, (x, y), arguments)
    bare = median_seconds(step, None, arguments)
    return {
        "precision": precision,
        "batch": size,
        "images_per_second": size / seconds,
        "step_seconds": seconds,
        "images_per_second_without_input": size / bare,
    }


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("mode", nargs="?", choices=["quick"])
    parser.add_argument("--json")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--batch", type=int)
    parser.add_argument("--device", default="cuda", choices=["cuda", "cpu"])
    arguments = parser.parse_args()
    arguments.quick = arguments.mode == "quick"
    arguments.round_seconds = 0.2
    arguments.batches = [arguments.batch] if arguments.batch else list(BATCHES)
    if arguments.quick:
        arguments.rounds, arguments.round_seconds, arguments.batches = 1, 0, [16]
    return arguments


def main():
    arguments = parse()
    if arguments.device == "cuda" and not torch.cuda.is_available():
        print("skipped: this PyTorch finds no GPU", file=sys.stderr)
        sys.exit(SKIPPED)
    device = torch.device(arguments.device)
    torch.backends.cudnn.benchmark = True
    report = {
        "bench": "torch",
        "torch": torch.__version__,
        "cuda": str(torch.version.cuda),
        "cudnn": str(torch.backends.cudnn.version()),
        "results": [],
    }
    print(f"PyTorch {torch.__version__}")
    print(f"{'precision':<15} {'batch':>6} {'images/s':>12} {'step us':>10} {'without input':>14}")
    for precision in PRECISIONS:
        for size in arguments.batches:
            result = measure(precision, size, device, arguments)
            report["results"].append(result)
            print(f"{precision:<15} {size:>6} {result['images_per_second']:>12.0f} "
                  f"{1e6 * result['step_seconds']:>10.1f} "
                  f"{result['images_per_second_without_input']:>14.0f}", flush=True)
    if arguments.json:
        with open(arguments.json, "w", encoding="utf-8") as file:
            json.dump(report, file, indent=2)


if __name__ == "__main__":
    main()
