"""Figures of a study as files, PNG and SVG, one journal column wide: the same numbers as on its page.

    write_figures(outcome, Path("runs/study/figures"))      # [.../forest.png, .../forest.svg, .../curves.png, ...]

forest     paired differences to the baseline, and of what was forgotten; filled where clear
forest-sft paired differences to the arm sft, if there is one
curves     loss, NLL, confidence and effective share of tokens over training, an arm a line
weights    histograms of token weights and confidences over training
frontier   gained against lost

A figure without data is not made. Two calls with one outcome write the same SVG, byte for byte.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from counterpoise.disk import writing
from counterpoise.report.study_curves import line, mean_line, mean_shares, smooth, thin
from counterpoise.report.study_plots import frontier_points, is_finite, point_names, tick_text
from counterpoise.report.study_reading import Gap, Outcome, StudyReading, names_of, read_study_outcome

COLUMN = 3.5
"""Width of a journal's column, inches."""
ROW = 0.19
"""Height of a line of a forest plot, inches."""
NAME = 28
"""Characters of an arm's name; a longer one is cut."""
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000", "#8C8C00")
"""Okabe and Ito's, told apart by the colour-blind; lines are dashed differently, too."""
DASHES = ("-", (0, (5, 1.5)), (0, (1.2, 1.2)), (0, (5, 1.5, 1.2, 1.5)))
BLUE, SOFT, FAINT = "#0f5f94", "#56616c", "#dbe1e6"
LINES = {
    "loss": "the objective's own loss",
    "nll": "NLL, nats per token",
    "confidence": "mean confidence",
    "effective_share": "effective share of tokens",
}
LOGARITHMIC = ("loss",)
"""Drawn on a logarithmic axis: losses of different objectives differ by orders of magnitude."""
SEED_POINTS = 40
"""Of the thin line of a seed."""
STRIPS = {"confidence_histogram": "confidence of tokens", "token_weight_histogram": "weight of tokens"}
STYLE: dict[str, Any] = {
    "font.family": "DejaVu Sans", "font.size": 7, "axes.titlesize": 7, "axes.labelsize": 7, "xtick.labelsize": 6.5,
    "ytick.labelsize": 6.5, "legend.fontsize": 6.5, "axes.linewidth": 0.6, "axes.spines.top": False,
    "axes.spines.right": False, "xtick.major.width": 0.6, "ytick.major.width": 0.6, "xtick.major.size": 2.5,
    "ytick.major.size": 2.5, "lines.linewidth": 1.3, "legend.frameon": False, "text.parse_math": False,
    "svg.hashsalt": "counterpoise", "svg.fonttype": "path", "savefig.dpi": 300, "axes.titlelocation": "left",
    "axes.titleweight": "bold", "figure.constrained_layout.use": True,
}  # fmt: skip


def write_figures(outcome: Outcome, folder: Path) -> list[Path]:
    """Write the figures of an outcome into ``folder``, which is made if missing; return the files.

    Raises:
        UserError: a file cannot be written, or the disk is full.
    """
    reading = read_study_outcome(outcome)
    written = []
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    with _style():
        for name, draw in FIGURES.items():
            figure = draw(reading)
            if figure is None:
                continue
            for kind, metadata in (("png", {"Software": None}), ("svg", {"Date": None, "Creator": None})):
                path = folder / f"{name}.{kind}"
                with writing(path):
                    figure.savefig(path, metadata=metadata)
                written.append(path)
    return written


@contextmanager
def _style() -> Iterator[None]:
    import matplotlib

    with matplotlib.rc_context(STYLE):
        yield


def _figure(height: float, width: float = COLUMN) -> Any:
    from matplotlib.figure import Figure  # not pyplot: no window system, nothing global

    return Figure(figsize=(width, height))


def forest(reading: StudyReading) -> Any:
    """Draw paired differences to the baseline, a panel a task, then what was forgotten."""
    return _forests(reading, (("baseline", reading.tasks), ("forgetting", reading.forgetting)))


def forest_sft(reading: StudyReading) -> Any:
    """Draw paired differences to the arm ``sft``, a panel a task, then what was forgotten."""
    return _forests(reading, (("sft", reading.tasks), ("sft-forgetting", reading.forgetting)))


def _forests(reading: StudyReading, families: Sequence[tuple[str, Sequence[str]]]) -> Any:
    groups: list[list[Gap]] = []
    for family, tasks in families:
        drawn = [[gap for gap in reading.gaps(family, task) if is_finite(gap)] for task in tasks]
        groups += [gaps for gaps in drawn if gaps]
    if not groups:
        return None
    columns = 1 if len(groups) <= 6 else 2
    lines = [groups[i : i + columns] for i in range(0, len(groups), columns)]
    heights = [0.62 + ROW * max(len(gaps) for gaps in line) for line in lines]
    figure = _figure(sum(heights), COLUMN * columns)
    grid = figure.add_gridspec(len(lines), columns, height_ratios=heights)
    for place, gaps in enumerate(groups):
        _forest_panel(figure.add_subplot(grid[place // columns, place % columns]), gaps)
    return figure


def _forest_panel(axes: Any, gaps: Sequence[Gap]) -> None:
    for y, gap in enumerate(gaps):
        axes.plot([gap.low, gap.high], [y, y], color=BLUE, linewidth=1.6, alpha=0.9 if gap.clear else 0.45)
        axes.plot(gap.value, y, "o", markersize=4, color=BLUE, markerfacecolor=BLUE if gap.clear else "white")
    axes.axvline(0, color=SOFT, linewidth=0.7, zorder=0)
    axes.set_yticks(range(len(gaps)), [_name(n) for n in names_of([(g.ours, g.trained_on) for g in gaps])])
    axes.set_ylim(len(gaps) - 0.5, -0.5)
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.locator_params(axis="x", nbins=5)
    axes.xaxis.set_major_formatter(lambda value, _: tick_text(value).replace("-", "\N{MINUS SIGN}"))
    one = gaps[0]
    better = "more" if one.higher_is_better else "less"
    axes.set_title(_name(one.task))
    axes.set_xlabel(f"{_name(one.metric)}, difference to {_name(one.theirs)} ({better} is better)")


def curves(reading: StudyReading) -> Any:
    """Draw loss, NLL, confidence and effective share over steps: seeds thin, smoothed means of finished arms thick."""
    from matplotlib.ticker import LogLocator, NullLocator

    runs = reading.outcome["curves"]
    keys = [key for key in LINES if any(line(run, key) for run in runs)]
    if not keys:
        return None
    learned = list(dict.fromkeys(run.get("trained_on", "all") for run in runs))
    arms = [arm for arm in reading.arms if any(run["arm"] == arm for run in runs)]
    legend = 0.18 * -(-len(arms) // 2)
    width = COLUMN if len(learned) == 1 else 2.4 * len(learned)
    figure = _figure(1.35 * len(keys) + legend + 0.1, width)
    grid = figure.subplots(len(keys), len(learned), sharex="col", sharey="row", squeeze=False)
    for row, key in zip(grid, keys, strict=True):
        row[0].set_ylabel(LINES[key])
        if key in LOGARITHMIC and all(value > 0 for run in runs for _, value in line(run, key)):
            row[0].set_yscale("log")
            row[0].yaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            row[0].yaxis.set_major_formatter(lambda value, _: f"{value:g}")
            row[0].yaxis.set_minor_locator(NullLocator())
        for axes, on in zip(row, learned, strict=True):
            _lines(axes, reading, [run for run in runs if run.get("trained_on", "all") == on], key, arms)
    for axes, on in zip(grid[-1], learned, strict=True):
        axes.set_xlabel("step")
        if len(learned) > 1:
            grid[0][list(learned).index(on)].set_title(_name(on))
    handles = [_handle(arm, place) for place, arm in enumerate(arms)]
    figure.legend(handles=handles, loc="outside upper left", ncols=2, handlelength=2.4, borderaxespad=0.2)
    return figure


def _lines(axes: Any, reading: StudyReading, runs: Sequence[Any], key: str, arms: Sequence[str]) -> None:
    for place, arm in enumerate(arms):
        own = [line(run, key) for run in runs if run["arm"] == arm]
        on = runs[0].get("trained_on", "all")
        for one in own:
            if one:
                points = zip(*thin(one, SEED_POINTS), strict=True)
                axes.plot(*points, color=COLOURS[place % len(COLOURS)], linewidth=0.45, alpha=0.35)
        mean = smooth(mean_line(own)) if own and reading.is_finished(arm, on) else []
        if mean:
            axes.plot(*zip(*thin(mean), strict=True), **_look(place))


def _look(place: int) -> dict[str, Any]:
    return {"color": COLOURS[place % len(COLOURS)], "linestyle": DASHES[place % len(DASHES)]}


def _handle(arm: str, place: int) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], label=_name(arm), **_look(place))


def weights(reading: StudyReading) -> Any:
    """Draw histograms over training as strips, a row an arm: time across, value up, share as colour."""
    from matplotlib.colors import PowerNorm

    runs = reading.outcome["curves"]
    keys = [key for key in STRIPS if any(run.get(key) for run in runs)]
    units = list(dict.fromkeys((run["arm"], run.get("trained_on", "all")) for run in runs))
    order = {arm: place for place, arm in enumerate(reading.arms)}
    rows = []
    units = sorted(units, key=lambda unit: (unit[1], order.get(unit[0], len(order))))
    for (arm, on), name in zip(units, names_of(units), strict=True):
        own = [run for run in runs if (run["arm"], run.get("trained_on", "all")) == (arm, on)]
        strips = [mean_shares(own, key) for key in keys]
        if reading.is_finished(arm, on) and any(strips):
            last = (own[0].get("points_at") or [len(strips[0])])[-1]
            rows.append((name, last, strips))
    if not rows:
        return None
    figure = _figure(0.62 * len(rows) + 0.75)
    grid = figure.subplots(len(rows), len(keys), sharex=True, sharey=True, squeeze=False)
    norm, image = PowerNorm(0.5, 0, 1), None
    for line_of_axes, (name, last, strips) in zip(grid, rows, strict=True):
        for axes, columns in zip(line_of_axes, strips, strict=True):
            if columns:
                picture = [list(bins) for bins in zip(*columns, strict=True)]  # [bins][points], the lowest bin first
                image = axes.imshow(
                    picture, origin="lower", aspect="auto", extent=(0, last, 0, 1), cmap="Blues", norm=norm,
                    interpolation="nearest",
                )  # fmt: skip
            axes.set_yticks([0, 1])
        line_of_axes[0].set_title(_name(name), fontsize=6.5)
    for axes, key in zip(grid[-1], keys, strict=True):
        axes.set_xlabel(f"step\n{STRIPS[key]}")
    bar = figure.colorbar(image, ax=grid.ravel().tolist(), location="top", aspect=40, shrink=0.8, pad=0.02)
    bar.set_label("share of tokens")
    bar.set_ticks([0, 0.05, 0.25, 0.5, 1], labels=["0", "5 %", "25 %", "50 %", "100 %"])
    bar.outline.set_linewidth(0.4)
    return figure


def frontier(reading: StudyReading) -> Any:
    """Draw gained against lost, a panel a pair of tasks: arms on the front filled and joined."""
    given = [(one, frontier_points(reading, one)) for one in reading.outcome["frontiers"]]
    given = [(one, points) for one, points in given if points]
    if not given:
        return None
    heights = [2.3 + 0.14 * -(-len(points) // 2) for _, points in given]
    figure = _figure(sum(heights))
    grid = figure.subplots(len(given), 1, squeeze=False, height_ratios=heights)
    for (axes,), (one, points) in zip(grid, given, strict=True):
        _frontier_panel(axes, one, points, reading.baseline)
    return figure


def _frontier_panel(axes: Any, one: Any, points: Sequence[Any], baseline: str) -> None:
    from matplotlib.lines import Line2D

    handles = []
    for number, (point, name) in enumerate(zip(points, point_names(points), strict=True), 1):
        x, y, on = point["gained"], point["lost"], bool(point.get("on_front"))
        axes.plot([x["low"], x["high"]], [y["value"]] * 2, color=BLUE, alpha=0.35, linewidth=1.1)
        axes.plot([x["value"]] * 2, [y["low"], y["high"]], color=BLUE, alpha=0.35, linewidth=1.1)
        disc: dict[str, Any] = {
            "marker": "o",
            "color": BLUE,
            "markerfacecolor": BLUE if on else "white",
            "linestyle": "none",
        }
        axes.plot(x["value"], y["value"], markersize=8, markeredgewidth=0.8, zorder=3, **disc)
        ink = "white" if on else BLUE
        text: dict[str, Any] = {
            "ha": "center",
            "va": "center_baseline",
            "fontsize": 5.5,
            "fontweight": "bold",
            "zorder": 4,
        }
        axes.text(x["value"], y["value"], str(number), color=ink, **text)
        handles.append(Line2D([], [], markersize=4, label=f"{number}  {_name(name)}", **disc))
    front = sorted((p["gained"]["value"], p["lost"]["value"]) for p in points if p.get("on_front"))
    if len(front) > 1:
        axes.plot(*zip(*front, strict=True), color=BLUE, linewidth=0.8, linestyle=":", zorder=2)
    axes.grid(color=FAINT, linewidth=0.4)
    axes.set_axisbelow(True)
    axes.set_xlabel(f"gained on {_name(one['gained']['task'])} ({_name(one['gained']['metric'])})")
    axes.set_ylabel(f"lost on {_name(one['lost']['task'])} ({_name(one['lost']['metric'])})")
    axes.set_title(f"0 is {_name(baseline)}", fontweight="normal")
    axes.legend(
        handles=handles, loc="upper left", bbox_to_anchor=(-0.02, -0.22), ncols=2, handletextpad=0.3, borderaxespad=0
    )


def _name(text: str) -> str:
    """Return a name that a figure can hold: no control characters, no more characters than there is room for."""
    plain = "".join("\N{REPLACEMENT CHARACTER}" if unicodedata.category(c) in ("Cc", "Cf", "Cs") else c for c in text)
    return plain if len(plain) <= NAME else plain[: NAME - 1] + "…"


FIGURES: dict[str, Callable[[StudyReading], Any]] = {
    "forest": forest,
    "forest-sft": forest_sft,
    "curves": curves,
    "weights": weights,
    "frontier": frontier,
}
"""File name -> what draws it."""
