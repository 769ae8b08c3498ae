"""The plot as SVG, written by hand: accuracy against the number of workers, a chart per model."""
import math

import runs

WIDTH, HEIGHT = 830, 360  # of a chart
LEFT, RIGHT, TOP, BOTTOM = 64, 240, 44, 44
FLOOR, CEILING = 0.90, 1.0  # of the accuracies; what is below is drawn at the floor, with its value
TITLES = {runs.CNN: "Test accuracy: MNIST, convolutional network",
          runs.MLP: "Test accuracy: MNIST, 1 M-parameter MLP"}
# Told apart with all common kinds of colour blindness (Okabe and Ito, 2008).
COLOURS = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#8a6d00", "#56b4e9"]
FONT = 'font-family="Helvetica, Arial, sans-serif"'


def _x(workers):
    span = math.log(runs.PLOT_WORKERS[-1]) - math.log(runs.PLOT_WORKERS[0])
    share = (math.log(workers) - math.log(runs.PLOT_WORKERS[0])) / span
    return LEFT + share * (WIDTH - LEFT - RIGHT)


def _y(accuracy):
    share = (max(accuracy, FLOOR) - FLOOR) / (CEILING - FLOOR)
    return HEIGHT - BOTTOM - share * (HEIGHT - TOP - BOTTOM)


def _text(x, y, text, size=14, anchor="start", colour="#222", weight="normal"):
    return (f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" text-anchor="{anchor}" '
            f'fill="{colour}" font-weight="{weight}" {FONT}>{text}</text>')


def _axes(title):
    parts = [_text(LEFT, 24, title, 17, weight="bold"),
             _text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 8, "workers", anchor="middle")]
    for step in range(0, 6):
        accuracy = FLOOR + (CEILING - FLOOR) * step / 5
        y = _y(accuracy)
        parts.append(f'<line x1="{LEFT}" y1="{y:.1f}" x2="{WIDTH - RIGHT}" y2="{y:.1f}" '
                     'stroke="#ddd"/>')
        parts.append(_text(LEFT - 8, y + 5, f"{accuracy:.2f}", anchor="end"))
    for workers in runs.PLOT_WORKERS:
        parts.append(_text(_x(workers), HEIGHT - BOTTOM + 18, workers, anchor="middle"))
    return parts


def _line(points, colour, dashed):
    path = " ".join(f"{_x(workers):.1f},{_y(accuracy):.1f}" for workers, accuracy in points)
    dashes = ' stroke-dasharray="6 4"' if dashed else ""
    parts = [f'<polyline points="{path}" fill="none" stroke="{colour}" stroke-width="2"{dashes}/>']
    for workers, accuracy in points:
        x, y = _x(workers), _y(accuracy)
        parts.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="3.5" fill="{colour}"/>')
    return parts


def _series(results, model):
    """(label, colour, dashed, [(workers, accuracy)]) of all that has been run."""
    found = []
    for colour, (trainer, jobs) in zip(COLOURS, runs.plot_jobs(model).items()):
        for published_rule in (False, True):
            if published_rule and not any(job.has_published_rule() for job in jobs):
                continue
            points = [(job.workers, summary.accuracy) for job in jobs
                      if (summary := results.summary(job, 1, published_rule))]
            if points and points[-1][0] == runs.PLOT_WORKERS[-1]:
                label = trainer + (", published" if published_rule else "")
                found.append((label, colour, published_rule, points))
    return found


def _apart(ys, least, lowest):
    """Labels' heights, from the top, at least so far apart and none below `lowest`."""
    order = sorted(range(len(ys)), key=lambda i: ys[i])
    placed = list(ys)
    for above, below in zip(order, order[1:]):
        placed[below] = max(placed[below], placed[above] + least)
    limit = lowest
    for i in reversed(order):
        placed[i] = min(placed[i], limit)
        limit = placed[i] - least
    return placed


def _chart(results, model):
    series = _series(results, model)
    if not series:
        return []
    parts = _axes(TITLES[model])
    ends = [_y(points[-1][1]) for _, _, _, points in series]
    heights = _apart(ends, 17, HEIGHT - BOTTOM)
    for (label, colour, dashed, points), end, y in zip(series, ends, heights):
        parts += _line(points, colour, dashed)
        x = WIDTH - RIGHT
        parts.append(f'<line x1="{x + 5}" y1="{end:.1f}" x2="{x + 16}" y2="{y:.1f}" '
                     f'stroke="{colour}"/>')
        below = points[-1][1] < FLOOR
        parts.append(_text(x + 19, y + 4.5, f"{label} {points[-1][1]:.3f}" + (" ↓" * below),
                           13, colour=colour))
    return parts


def draw(results):
    """The whole picture, or "" where nothing of it has been run."""
    charts = [chart for model in TITLES if (chart := _chart(results, model))]
    if not charts:
        return ""
    height = HEIGHT * len(charts)
    parts = [f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{height}" '
             f'viewBox="0 0 {WIDTH} {height}">',
             "<title>Test accuracy by the number of workers; at the right end with 30</title>",
             f'<rect width="{WIDTH}" height="{height}" fill="white"/>']
    for number, chart in enumerate(charts):
        parts += [f'<g transform="translate(0 {number * HEIGHT})">', *chart, "</g>"]
    return "\n".join([*parts, "</svg>"]) + "\n"
