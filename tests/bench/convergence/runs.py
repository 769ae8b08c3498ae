"""What is run: a job of `sluice train` on MNIST for each row of the table and point of the plot.

A run's name says all that its result depends on, so rows and points that need the same share it.
"""
import dataclasses

CNN, MLP = "mnist_cnn", "mnist_mlp"

# How far M workers move the servers at once under the rule as published, with a window of W; each
# trainer's file has the formula. Others stay at 1 or below.
GAINS = {
    "adag": lambda workers, window: workers / window,
    "downpour": lambda workers, window: workers,
    "experimental": lambda workers, window: workers / window,
    "async_sgd": lambda workers, window: workers,
    "dc_asgd": lambda workers, window: workers,
    "fedbuff": lambda workers, window: workers / 4,
    "hogwild": lambda workers, window: workers,
}


@dataclasses.dataclass(frozen=True)
class Job:
    trainer: str
    model: str = CNN
    batch: int = 16
    window: int = 0  # 0: the trainer's own
    workers: int = 3
    epochs: int = 2

    def gain(self):
        """Of the published rule; None: of this trainer there is no other."""
        formula = GAINS.get(self.trainer)
        return formula(self.workers, self.window or 5) if formula else None

    def has_published_rule(self):
        """Whether --no-bound-gain makes a difference."""
        return (self.gain() or 0) > 1

    def name(self, seed, published_rule=False):
        window = f"w{self.window}" if self.window else "w"
        rule = "-published" if published_rule and self.has_published_rule() else ""
        return (f"{self.trainer}-{self.model}-b{self.batch}-{window}-m{self.workers}"
                f"-e{self.epochs}{rule}-s{seed}")

    def flags(self, seed, published_rule=False):
        flags = ["--dataset", "mnist", "--trainer", self.trainer, "--model", self.model,
                 "--batch-size", str(self.batch), "--workers", str(self.workers),
                 "--epochs", str(self.epochs), "--seed", str(seed)]
        if self.window:
            flags += ["--window", str(self.window)]
        if published_rule and self.has_published_rule():
            flags.append("--no-bound-gain")
        return flags


@dataclasses.dataclass(frozen=True)
class Published:
    source: str
    seconds: float
    accuracy: float
    updates: int | None  # as it was printed, counted from 1


# Dist-Keras' runs. Until April 2017 its loop over epochs ran once more than it was told: the runs
# of January made two passes, which the updates that they logged confirm.
DOCKER = "mnist.py, April 2017"
MAY, JANUARY_20, JANUARY_10 = "notebook, May 2017", "notebook, 23 Jan 2017", "notebook, 19 Jan 2017"


def _rows(source, workers, passes, figures):
    return [(Job(trainer, model, batch, window, workers, passes),
             Published(source, seconds, accuracy, updates))
            for trainer, model, batch, window, seconds, accuracy, updates in figures]


PUBLISHED = [
    *_rows(DOCKER, 3, 5, [("adag", CNN, 16, 5, 1497.9, 0.9897, 3751)]),
    *_rows(MAY, 3, 1, [("downpour", MLP, 4, 5, 295.9, 0.9628, 3001),
                       ("adag", MLP, 4, 15, 209.9, 0.9667, 1000),
                       ("aeasgd", MLP, 4, 35, 181.8, 0.9566, 427),
                       ("downpour", CNN, 4, 5, 390.5, 0.9848, 3001),
                       ("adag", CNN, 15, 5, 175.3, 0.9825, 799),
                       ("aeasgd", CNN, 35, 32, 107.2, 0.9778, 52)]),
    *_rows(JANUARY_20, 20, 2, [("downpour", MLP, 4, 5, 255.7, 0.9648, 6016),
                               ("adag", MLP, 4, 15, 205.6, 0.9743, 2016),
                               ("aeasgd", MLP, 4, 35, 83.1, 0.953, 841),
                               ("downpour", CNN, 4, 5, 293.9, 0.1135, 6016),
                               ("adag", CNN, 15, 5, 99.4, 0.9807, 1616),
                               ("aeasgd", CNN, 35, 32, 65.1, 0.9672, 101)]),
    *_rows(JANUARY_10, 10, 2, [("downpour", CNN, 4, 5, 289.5, 0.9805, 6011),
                               ("adag", CNN, 4, 5, 326.7, 0.9871, 6011),
                               ("aeasgd", CNN, 4, 32, 274.2, 0.9849, 931)]),
]


def other_jobs(trainers):
    """A job for each trainer that has no published run on MNIST, with its own defaults."""
    known = {job.trainer for job, _ in PUBLISHED}
    return [Job(trainer, workers=1 if trainer == "single" else 3)
            for trainer in trainers if trainer not in known]


# Many workers: what they must not cost. Five passes of the CNN.
MANY_TRAINERS = ["adag", "downpour", "dynsgd", "async_sgd", "async_diloco"]
MANY_WORKERS = [3, 30]


def many_jobs():
    return [[Job(trainer, workers=workers, window=5 if trainer == "adag" else 0, epochs=5)
             for workers in MANY_WORKERS] for trainer in MANY_TRAINERS]


# The plot: accuracy against the number of workers at a fixed window. Of those with a published
# rule of another gain that rule is drawn too.
PLOT_TRAINERS = ["adag", "downpour", "dynsgd", "async_sgd", "local_sgd"]
PLOT_WORKERS = [1, 3, 10, 30]
PLOT_WINDOW = 5


def plot_jobs(model):
    return {trainer: [Job(trainer, model, window=PLOT_WINDOW, workers=workers)
                      for workers in PLOT_WORKERS] for trainer in PLOT_TRAINERS}
