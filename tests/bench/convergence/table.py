"""docs/convergence.md from the results."""
import datetime
import textwrap

import runs

BELOW = 0.003  # as far as the default may stay behind a published accuracy

HEAD = """# Accuracy: the published runs, every trainer, many workers

Written by `./dev bench convergence` on {when}.
MNIST, test accuracy, mean ± standard deviation over the seeds that were run; of times the median.
B: batch size, W: window, M: workers.
*Default* keeps what M workers add at once at one worker's step (*The gain* in
[architecture.md](architecture.md)), *published rule* does not (`--no-bound-gain`; one seed; its
gain is in brackets; where it is 1 or below both are the same, and the cell is empty).
{machines}

`./dev bench convergence` makes every run below with five seeds, which takes hours on two cores, and
goes on where it was interrupted: `--seeds N`, `--only TRAINER`, `--quick`; `--write` only writes
what has been measured.

"""

PUBLISHED_TEXT = """## Dist-Keras' published runs

With the passes over the data that those runs really made: until April 2017 one more than was asked
for. Their updates are counted from 1, and leave out the steps behind the last full window, which
are trained and pushed here. Theirs ran on a Spark cluster in 2017. Adam at the workers, its
defaults.

"""

OTHERS_TEXT = """## Every other trainer

The CNN, batches of 16, each trainer with its defaults, two passes.

"""

MANY_TEXT = """## 3 and 30 workers

The CNN, batches of 16, five passes, each trainer with its defaults. *Lost*: how much less accurate
the model of 30 workers is.

"""

PLOT_TEXT = """## Accuracy by the number of workers

Two passes, batches of 16, a window of {window} for every trainer, one seed. Dashed: the rule as
published. More workers make fewer steps one after the other from the same data: with 30, each
trains 250 mini-batches in the two passes.

![Test accuracy by the number of workers]({picture})
"""


def _wrapped(text):
    return "\n".join(textwrap.fill(line, 100) for line in text.split("\n"))


def _row(cells):
    return "| " + " | ".join(str(cell) for cell in cells) + " |"


def _table(head, rows):
    return "\n".join([_row(head), "|" + "---|" * len(head), *map(_row, rows)]) + "\n\n"


def _model(job):
    return {runs.CNN: "CNN", runs.MLP: "MLP"}[job.model]


def _range(counts):
    return f"{min(counts):,}" if min(counts) == max(counts) else f"{min(counts):,}-{max(counts):,}"


def _ours(results, job, seeds):
    """Cells: seeds, time, accuracy, updates, staleness, published rule."""
    ours = results.summary(job, seeds)
    if ours is None:
        return None
    cells = [ours.seeds, f"{ours.seconds:.0f} s", f"**{ours.accuracy_text()}**",
             _range(ours.updates), f"{ours.staleness:.1f} / {ours.most_stale}"]
    return [*cells, _published_rule(results, job, seeds)]


def _published_rule(results, job, seeds):
    if not job.has_published_rule():
        return ""
    rule = results.summary(job, seeds, True)
    return f"{rule.accuracy_text() if rule else 'not run'} ({job.gain():.3g})"


OURS = ["seeds", "time", "default", "updates", "staleness, mean / most", "published rule"]


def published(results, seeds):
    rows, behind, missing = [], [], []
    for job, theirs in runs.PUBLISHED:
        ours = _ours(results, job, seeds)
        if ours is None:
            missing.append(f"{job.trainer} ({_model(job)}, M {job.workers}, B {job.batch})")
            continue
        accuracy = results.summary(job, seeds).accuracy
        rows.append([theirs.source, job.trainer, _model(job), job.batch, job.window, job.workers,
                     job.epochs, f"{theirs.seconds:.0f} s", f"{theirs.accuracy:.4f}",
                     f"{theirs.updates:,}", *ours])
        if accuracy < theirs.accuracy - BELOW:
            behind.append(f"`{job.trainer}`, {_model(job)}, {job.workers} workers, B {job.batch}, "
                          f"{theirs.source}: {theirs.accuracy - accuracy:.4f}")
    if not rows:
        return ""
    text = PUBLISHED_TEXT + _table(
        ["run", "trainer", "model", "B", "W", "M", "passes", "time then", "accuracy then",
         "updates then", *OURS], rows)
    text += f"Rows whose default is more than {BELOW} below the published accuracy: "
    text += f"none of {len(rows)}.\n" if not behind else f"{len(behind)} of {len(rows)}.\n\n"
    text += "".join(f"* {line}\n" for line in behind)
    return text + (_wrapped(f"\nNot measured yet: {', '.join(missing)}.") + "\n\n"
                   if missing else "\n")


def others(results, trainers, seeds):
    rows, missing = [], []
    for job in runs.other_jobs(trainers):
        ours = _ours(results, job, seeds)
        if ours:
            rows.append([f"`{job.trainer}`", job.workers, *ours])
        else:
            missing.append(job.trainer)
    if not rows:
        return ""
    text = OTHERS_TEXT + _table(["trainer", "M", *OURS], rows)
    return text + (_wrapped(f"Not measured yet: {', '.join(missing)}.") + "\n\n"
                   if missing else "")


def many(results, seeds):
    rows, missing = [], []
    for jobs in runs.many_jobs():
        cells = [results.summary(job, seeds) for job in jobs]
        if None in cells:
            missing.append(jobs[0].trainer)
            continue
        few, most = cells
        rows.append([f"`{jobs[0].trainer}`", f"{few.seeds} / {most.seeds}", few.accuracy_text(),
                     f"**{most.accuracy_text()}**", f"{few.accuracy - most.accuracy:.4f}",
                     _published_rule(results, jobs[-1], seeds)])
    head = ["trainer", "seeds, of 3 / 30", "3 workers", "30 workers", "lost",
            "30 workers, published rule"]
    if not rows:
        return ""
    text = MANY_TEXT + _table(head, rows)
    return text + (_wrapped(f"Not measured yet: {', '.join(missing)}.") + "\n\n"
                   if missing else "")


def document(results, trainers, seeds, picture):
    head = HEAD.format(when=datetime.date.today().isoformat(), machines=textwrap.fill(
        f"Runs were made on {results.machines()}. All M workers of a run share what it had: times "
        "say nothing of how training scales.", 100))
    text = head + published(results, seeds) + others(results, trainers, seeds)
    text += many(results, seeds)
    if picture:
        text += PLOT_TEXT.format(window=runs.PLOT_WINDOW, picture=picture)
    return text.rstrip() + "\n"
