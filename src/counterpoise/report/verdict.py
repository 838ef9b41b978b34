"""What the numbers of a demo allow one to say, in a few plain sentences, by rules that hold whatever came out.

Rules: two models differ where the 95 % interval of their paired difference leaves out 0 and the Holm-corrected p-value
is below .05. A model clears a floor where its interval lies wholly above the floor's. All else cannot be told apart at
this n, which is not the same as being equal.
"""

from __future__ import annotations

from counterpoise.report.numbers import fraction, listed, nats, signed, with_interval
from counterpoise.report.reading import GENERAL_NLL, PRIMARY, Outcome, Paired, Reading, State, read
from counterpoise.studies.demo_recipe import PRIMARY as METRIC


def verdict(outcome: Outcome) -> list[str]:
    """Return two to four sentences: what was learned, against the floors, against SFT, and what was forgotten."""
    return sentences(read(outcome))


def sentences(reading: Reading) -> list[str]:
    """:func:`verdict` of an outcome that was read."""
    best = reading.best
    if best is None:
        score = with_interval(reading.base.scores[PRIMARY], fraction)
        return [f"Nothing was trained: the base model's {METRIC} is {score}.", _floors(reading, reading.base)]
    return [_learned(reading, best), _floors(reading, best), *_against_sft(reading), *_forgotten(reading)]


def _learned(reading: Reading, best: State) -> str:
    score = best.scores[PRIMARY]
    reached = f"{METRIC} {with_interval(score, fraction)} on {score.n} held-out genes"
    base = fraction(reading.base.scores[PRIMARY].value)
    gap = reading.paired(PRIMARY, best.title, reading.base.title)
    if gap is None:
        return f"The best fine-tuned model is {best.title}: {reached}; the base model's is {base}."
    difference = f"paired difference {with_interval(gap.estimate, signed)}"
    if gap.direction == "higher":
        return f"The best fine-tuned model is {best.title}: {reached}, above the base model's {base} ({difference})."
    if gap.direction == "lower":
        worse = f"Fine-tuning made it worse: even the best, {best.title}, has {reached}"
        return f"{worse}, below the base model's {base} ({difference})."
    unclear = f"The best fine-tuned model, {best.title}, cannot be told from the base model"
    return f"{unclear}: {reached}, against {base} ({difference})."


def _floors(reading: Reading, state: State) -> str:
    """Against each floor, by intervals over the same genes that do not overlap."""
    score = state.scores[PRIMARY]
    above: list[tuple[str, str]] = []
    below: list[tuple[str, str]] = []
    level: list[tuple[str, str]] = []
    for name, floor in reading.floors.items():
        exact = floor.low == floor.high
        text = f"{name} ({fraction(floor.value) if exact else with_interval(floor, fraction)})"
        (above if score.low > floor.high else below if score.high < floor.low else level).append((name, text))
    parts = []
    if above:
        parts.append(f"clears {listed([name for name, _ in above])}")
    if level:
        parts.append(f"cannot be told from {listed([text for _, text in level])}")
    if below:
        parts.append(f"stays below {listed([text for _, text in below])}")
    if above and not level and not below:
        return f"It clears every floor: {listed([name for name, _ in above])}."
    return f"It {'; it '.join(parts)}." if parts else "There are no floors to compare it with."


def _against_sft(reading: Reading) -> list[str]:
    sft = reading.state("sft")
    if not reading.arms:
        return []
    if sft is None:
        return ["SFT is not among the arms, so nothing is said against it."]
    found = _pairs(reading, PRIMARY, sft, [arm for arm in reading.arms if arm is not sft])
    if not found:
        return ["SFT is the only arm: there is nothing to compare it with."]
    parts = [
        f"{words} {listed([f'{c.ours} ({with_interval(c.estimate, signed)})' for c in group])}"
        for direction, words in (
            ("higher", "a gain for"),
            ("lower", "a loss for"),
            ("unclear", "no clear difference for"),
        )
        if (group := [c for c in found if c.direction == direction])
    ]
    return [f"Against SFT, paired over the {found[0].estimate.n} genes, {METRIC} shows {'; '.join(parts)}."]


def _forgotten(reading: Reading) -> list[str]:
    found = _pairs(reading, GENERAL_NLL, reading.base, reading.states[1:])
    if not found:
        return []
    base = reading.base.scores[GENERAL_NLL]
    parts = [
        f"{words} {listed([f'{c.ours} ({signed(c.estimate.value)})' for c in group])}"
        for direction, words in (
            ("higher", "rose after"),
            ("lower", "fell after"),
            ("unclear", "shows no clear change after"),
        )
        if (group := [c for c in found if c.direction == direction])
    ]
    text = f"Forgetting: NLL on {base.n} general sentences (base model {nats(base.value)}) {'; '.join(parts)}"
    sft = reading.state("sft")
    others = _pairs(reading, GENERAL_NLL, sft, [a for a in reading.arms if a is not sft]) if sft else []
    if not others:
        return [f"{text}."]
    tail = [
        f"{word} than SFT: {listed([f'{c.ours} ({signed(c.estimate.value)})' for c in group])}"
        for direction, word in (("lower", "Forgot less"), ("higher", "Forgot more"))
        if (group := [c for c in others if c.direction == direction])
    ]
    return [f"{text}. {'; '.join(tail) if tail else 'No arm can be told from SFT in this'}."]


def _pairs(reading: Reading, metric: str, against: State, states: list[State]) -> list[Paired]:
    found = [reading.paired(metric, state.title, against.title) for state in states]
    return [pair for pair in found if pair is not None]
