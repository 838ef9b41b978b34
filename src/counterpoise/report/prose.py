"""Sentences of the page that are computed from the numbers, by rules that hold whatever came out."""

from __future__ import annotations

from collections.abc import Iterator

from counterpoise.report.numbers import (
    fraction,
    is_missing,
    listed,
    p_value,
    percent,
    rate,
    signed,
    threshold,
    with_interval,
)
from counterpoise.report.plots import curves, nll_rose_while_loss_fell
from counterpoise.report.reading import GENERAL_NLL, PRIMARY, Reading, State

STARVED = 0.5
"""An objective starves tokens that are not known where they carry less than this share of what they carry under SFT."""
WINDOW = 256
"""BFT's default window, in supervised tokens."""


def tuning_edges(reading: Reading) -> str:
    """Say whether the grid was wide enough: which arms did best at its edge."""
    rates = reading.tuning["rates"]
    arms = [arm for arm in reading.arms if arm.key in reading.tuning["arms"]]

    def at(edge: float) -> str:
        return listed([arm.title for arm in arms if reading.tuning["arms"][arm.key]["rate"] == edge])

    low, high = at(min(rates)), at(max(rates))
    if not low and not high:
        return "Every arm shown did best inside the grid."
    parts = [f"{low} did best at the smallest rate"] * bool(low) + [f"{high} at the largest"] * bool(high)
    if not low:
        parts = [f"{high} did best at the largest rate"]
    return f"At the grid's edge: {'; '.join(parts)}. A rate beyond it, which was not tried, might do better still."


def training_sentences(reading: Reading) -> list[str]:
    """What the curves show."""
    found = []
    warm_up = reading.state("warm-up")
    if warm_up and (warm := curves([warm_up])):
        nll = warm["warm-up"]["nll"].text.replace("→", "to")
        found.append(f"In the shared warm-up, before all of this, plain NLL went from {nll}.")
    rose = nll_rose_while_loss_fell(reading.arms)
    if rose:
        found.append(
            f"For {listed(rose)} the plain NLL rises while the objective falls: the loss that is minimised says "
            "nothing of how likely the answers have become, so both are shown."
        )
    elif curves(reading.arms):
        found.append("In no arm did the plain NLL rise while the objective fell.")
    return found


def starved(reading: Reading) -> list[str]:
    """Titles of the objectives that give tokens of low confidence less than half the weight that SFT gives them."""
    low = reading.weights["tokens"]["low"]
    return [title for title, share in reading.weights["shares"].items() if share["low"] < STARVED * low]


def weight_sentences(reading: Reading) -> list[str]:
    """Where the weight went."""
    weights = reading.weights
    low = threshold(weights["thresholds"]["low"])
    shares = listed([f"{percent(share['low'])} under {title}" for title, share in weights["shares"].items()])
    first = (
        f"Tokens that the model gave a probability below {low} are {percent(weights['tokens']['low'])} of all tokens"
    )
    return [f"{first}. They carry this share of the weight: {shares}." if shares else f"{first}."]


def why(reading: Reading) -> list[str]:
    """Why confidence weighting starves here, or that it does not."""
    weights, hungry = reading.weights, starved(reading)
    length = weights["tokens"]["count"] / weights["samples"]
    found = [
        "SFT counts every token alike. DFT multiplies a token's gradient by the model's own confidence in it. BFT "
        "multiplies it by that confidence relative to the mean confidence around it, and a whole answer by one minus "
        "the confidence of its weakest window."
    ]
    default_window = [a for a in reading.arms if a.objective.startswith("bft") and "window" not in a.objective]
    if default_window and length < WINDOW:
        found.append(
            f"An answer has {length:.1f} tokens on average, so BFT's window of {WINDOW} holds all of it, and the mean "
            "around a token is the mean of its answer. A token that the model does not know, next to tokens that it "
            "can complete, is damped much as under DFT; it keeps a weight near 1 only where the whole answer is hard."
        )
    if hungry:
        found.append(
            "A fact that the model does not know sits in such tokens: the first ones of the answer say which process "
            f"it is, and the rest follows from them{_first_tokens(reading)}. Under {listed(hungry)} the tokens that "
            "the model does not know get less than half of the weight that SFT gives them. "
            f"{_mean_weights(reading, hungry)} The gradient goes to what the model can say already, and little is left "
            "for what it has yet to learn: that is what is meant by starving."
        )
    elif weights["shares"]:
        found.append(
            "Here no objective starves: tokens of low confidence keep at least half of the weight that SFT gives them."
        )
    found += [*_effective(reading), *_relief(reading), *_agreement(reading, hungry)]
    return found


def limits(reading: Reading) -> list[str]:
    """What the numbers cannot tell."""
    return list(_limits(reading))


def _mean_weights(reading: Reading, titles: list[str]) -> str:
    parts = [
        f"{fraction(share['low_token_weight'])} against {fraction(share['high_token_weight'])} under {title}"
        for title in titles
        if not is_missing((share := reading.weights["shares"][title])["low_token_weight"])
    ]
    low, high = (threshold(reading.weights["thresholds"][name]) for name in ("low", "high"))
    of = f"A token below {low} weighs, on average and beside one of {high} or more"
    return f"{of}: {listed(parts)}." if parts else ""


def _first_tokens(reading: Reading) -> str:
    """The confidence of the examples' first tokens, where it is low in all of them."""
    first = [example["confidence"][0] for example in reading.weights.get("examples", [])]
    if not first or max(first) >= reading.weights["thresholds"]["low"]:
        return ""
    return f" (in the examples above the first token has a confidence of {listed([p_value(c) for c in first])})"


def _effective(reading: Reading) -> list[str]:
    parts = [f"{title} ({percent(share['effective'])})" for title, share in reading.weights["shares"].items()]
    if not parts:
        return []
    return [
        "The effective share of tokens (Kish: the squared sum of all weights over N times the sum of their squares) "
        f"says what part of the tokens the gradient rests on: {listed(parts)}."
    ]


def _relief(reading: Reading) -> list[str]:
    """What a floor or a share of SFT gives back to tokens of low confidence."""
    shares = reading.weights["shares"]
    parts = [
        f"{arm.title} ({percent(shares[arm.title]['low'])})"
        for arm in reading.arms
        if arm.title in shares and ("floor" in arm.objective or "sft_share" in arm.objective)
    ]
    if not parts:
        return []
    return [
        f"A floor under the token weights, or a share of plain SFT, gives such tokens weight back: {listed(parts)}."
    ]


def _agreement(reading: Reading, hungry: list[str]) -> list[str]:
    """Whether the starved arms are those that do worse than SFT."""
    pairs = [reading.paired(PRIMARY, title, "SFT") for title in hungry]
    worse = [pair.ours for pair in pairs if pair and pair.direction == "lower"]
    other = [pair.ours for pair in pairs if pair and pair.direction != "lower"]
    parts = [f"{listed(worse)} fell behind SFT on the held-out genes"] * bool(worse)
    parts += [f"{listed(other)} did not measurably"] * bool(other and worse)
    if other and not worse:
        parts = ["none fell measurably behind SFT on the held-out genes"]
    return [f"Of those that starve, {', while '.join(parts)}."] if parts else []


def _limits(reading: Reading) -> Iterator[str]:
    seed = reading.recipe.get("seed", 0)
    yield (
        f"One seed ({seed}), one order of the rows. The intervals are over genes; another seed or order moves the "
        "numbers too, and that is not in them."
    )
    total = (reading.environment.get("parameters") or {}).get("total")
    size = f" of {total / 1e6:.0f} million parameters" if total else ""
    yield f"One small model{size}. Nothing here says how a larger one, which knows more of the facts, would fare."
    if reading.weights:
        length = reading.weights["tokens"]["count"] / reading.weights["samples"]
        yield (
            f"Short answers, {length:.1f} tokens on average. BFT was made for long text, where its windows can tell "
            "dense runs of unknown tokens from single ones; that is not tested here."
        )
    if reading.best:
        yield from _limits_of_the_best(reading, reading.best)
    general = [
        pair.estimate
        for state in reading.states
        if (pair := reading.paired(GENERAL_NLL, state.title, reading.base.title)) is not None
    ]
    if general:
        width = max((e.high - e.low) / 2 for e in general)
        yield (
            f"Forgetting is probed on {general[0].n} general sentences only: changes of less than about "
            f"{fraction(width)} nats would not show."
        )
    yield (
        "Genes are held out, gene families are not: relatives of test genes are in training, on purpose, since that is "
        "what makes the task learnable. A wrong option is one that the gene is not annotated to, not one disproved."
    )
    yield "Annotations are those of the Gene Ontology release of July 2022."


def _limits_of_the_best(reading: Reading, best: State) -> Iterator[str]:
    score = best.scores[PRIMARY]
    stronger = [
        f"{name} ({with_interval(floor, fraction)})"
        for name, floor in reading.floors.items()
        if floor.high >= score.low
    ]
    if stronger:
        classical = any(name.startswith("naive Bayes") for name in stronger)
        yield f"Not beaten: {listed(stronger)}." + (
            " For this task alone, counting the words of a gene's name may serve as well or better. The language "
            "model is the object of study, not the best tool."
            if classical
            else ""
        )
    yield "The best model is named after seeing these scores, which flatters it a little."
    if reading.recipe.get("split") == "dev":
        yield "These are the dev genes, on which the learning rates were chosen: the test genes are the fair measure."
    else:
        yield "Learning rates were chosen on dev genes from a coarse grid; the warm-up's was fixed beforehand."


def forgetting(reading: Reading) -> str:
    """One sentence of the worst change on general text."""
    found = [reading.paired(GENERAL_NLL, s.title, reading.base.title) for s in reading.states[1:]]
    pairs = [pair for pair in found if pair is not None]
    if not pairs:
        return "Nothing was trained, so nothing was forgotten."
    worst = max(pairs, key=lambda pair: pair.estimate.value)
    return (
        f"Plain general sentences, which have nothing to do with genes, are the probe. The largest change is that of "
        f"{worst.ours}: {with_interval(worst.estimate, signed)} nats per token."
    )


def rate_text(value: float | None) -> str:
    """A rate, or nothing for a model that was not trained."""
    return "" if value is None else rate(value)
