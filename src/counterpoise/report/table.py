"""The demo's tables for the terminal: every number with its interval, the floors under a rule, the paired differences.

    for part in demo_tables(outcome):
        console.print(part)

One line a row where 100 columns are there; below that, intervals go under their values. Nothing depends on colour.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from rich import box
from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from counterpoise.evaluation.intervals import Estimate
from counterpoise.report.numbers import Form, fraction, interval, nats, p_value, rate, signed
from counterpoise.report.reading import ACCURACY, ANSWER_NLL, GENERAL_NLL, PRIMARY, Outcome, Reading, read
from counterpoise.report.verdict import sentences

COLUMNS: dict[str, tuple[str, Form]] = {
    PRIMARY: ("corrected\naccuracy", fraction),
    ACCURACY: ("raw\naccuracy", fraction),
    ANSWER_NLL: ("answer\nNLL", nats),
    GENERAL_NLL: ("general\nNLL", nats),
}
"""Heading and form of each metric shown, the primary one first."""
NAME = 18
"""Columns for names; longer ones wrap."""


def demo_tables(outcome: Outcome) -> list[RenderableType]:
    """Return the main table, the paired differences and the verdict, to be printed one after another."""
    reading = read(outcome)
    parts: list[RenderableType] = [Fitted(lambda stacked: _main(reading, stacked)), _notes(reading)]
    if _paired_rows(reading):
        parts.append(Fitted(lambda stacked: _paired(reading, stacked)))
        parts.append(
            Text("p: sign-flip permutation test, Holm-corrected over all comparisons on that metric.", style="dim")
        )
    return [*parts, Text(), _bullets(sentences(reading))]


def demo_table(outcome: Outcome, *, stacked: bool = False) -> Table:
    """Return the main table alone: a row a model state, floors below; ``stacked`` puts intervals under their values."""
    return _main(read(outcome), stacked)


@dataclass(frozen=True)
class Fitted:
    """A table that takes one line a row where the console is wide enough for it, and stacks its intervals elsewhere."""

    build: Callable[[bool], Table]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        wide = self.build(False)
        fits = Measurement.get(console, options.update(max_width=10_000), wide).maximum <= options.max_width
        yield wide if fits else self.build(True)


def _table(title: str) -> Table:
    return Table(
        title=title,
        title_justify="left",
        title_style="bold",
        box=box.HORIZONTALS,
        show_edge=False,
        pad_edge=False,
        padding=(0, 1, 0, 0),
        header_style="bold",
    )


def _main(reading: Reading, stacked: bool) -> Table:
    n, split = reading.base.scores[PRIMARY].n, reading.recipe.get("split", "test")
    table = _table(f"{n} held-out {split} genes, four options each; 95 % bootstrap intervals")
    table.add_column("model", min_width=10, max_width=NAME)
    table.add_column("rate", no_wrap=True)
    for heading, _ in COLUMNS.values():
        table.add_column(heading, no_wrap=not stacked)
    for state in reading.states:
        cells = [_cell(state.scores.get(metric), form, stacked) for metric, (_, form) in COLUMNS.items()]
        table.add_row(Text(state.title), Text("" if state.rate is None else rate(state.rate)), *cells)
    table.add_section()
    for name, floor in reading.floors.items():
        table.add_row(Text(name), "", _cell(floor, fraction, stacked))
    return table


def _notes(reading: Reading) -> Text:
    general = reading.base.scores.get(GENERAL_NLL)
    sentences_read = f" ({general.n} sentences)" if general else ""
    return Text(
        "Below the rule: floors, what trivial and classical methods reach on the same items. NLL in nats per token, "
        f"of the right answer and of general text{sentences_read}; lower is better.",
        style="dim",
    )


def _paired(reading: Reading, stacked: bool) -> Table:
    table = _table("\nPaired differences, with 95 % intervals")
    table.add_column("model", min_width=10, max_width=NAME)
    table.add_column("minus", no_wrap=True)
    for heading in ("corrected\naccuracy", "general\nNLL"):
        table.add_column(heading, no_wrap=not stacked)
        table.add_column("p", no_wrap=True)
    last = ""
    for ours, theirs in _paired_rows(reading):
        if last and theirs != last:
            table.add_section()
        last = theirs
        cells: list[Text] = []
        for metric in (PRIMARY, GENERAL_NLL):
            pair = reading.paired(metric, ours, theirs)
            cells += [_cell(pair.estimate if pair else None, signed, stacked), Text(p_value(pair.holm) if pair else "")]
        table.add_row(Text(ours), Text(theirs), *cells)
    return table


def _paired_rows(reading: Reading) -> list[tuple[str, str]]:
    """(ours, theirs) of the differences shown: the arms against SFT, then all against the base."""
    references = [state for state in reading.references if state.key != "warm-up"]
    pairs = [(ours.title, theirs.title) for theirs in references for ours in reading.states if ours is not theirs]
    return [(ours, theirs) for ours, theirs in pairs if reading.paired(PRIMARY, ours, theirs)]


def _bullets(lines: list[str]) -> Table:
    """Lines that hang behind a dash."""
    grid = Table.grid(padding=(0, 1, 0, 0))
    for line in lines:
        grid.add_row("-", Text(line))
    return grid


def _cell(estimate: Estimate | None, form: Form, stacked: bool) -> Text:
    """Value and interval; an exact value (chance) has none."""
    if estimate is None:
        return Text("")
    if estimate.low == estimate.high:
        return Text(form(estimate.value))
    return Text(f"{form(estimate.value)}{chr(10) if stacked else ' '}{interval(estimate, form)}")
