"""Signs that a policy learns to please the reward and not to answer: pure functions over the rows of ``metrics.jsonl``.

    for alarm in alarms(rows, Watch(priors={"yes": 0.55, "no": 0.34, "maybe": 0.11})): print(alarm)

Each alarm is raised once, at the first step that shows it; `held_out_constant` looks at the answers to items after the
last one, because a run may end before a window of steps shows what it became. An alarm is a reason to read completions,
not a proof: every sentence says what was seen and what to look at. A row has ``step``, ``zero_std_share``,
``right_reward`` (what the answer alone earned, as a share of the most that it can), ``format_reward`` (likewise, where
there is one), ``length``, ``clipped_share`` and ``answers`` (parsed answer -> share of the completions, the empty
answer for what was not parsed).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

Row = Mapping[str, Any]


@dataclass(frozen=True)
class Watch:
    """What is taken for a sign.

    Attributes:
        priors: answer -> share of the prompts whose right answer it is; empty where prompts have no options.
        window: steps that are averaged; two of them are compared.
        first: if no group of so many first steps has unequal rewards, there is no signal.
        longer, shorter: growth of the mean length that counts as running away, or as collapse.
        clipped: share of completions that are cut at ``max_completion`` that counts as running away.
        constant: share of the most common answer.
        held_out: the same on items that are measured before and after, where ``excess`` is asked besides.
        excess: by how much the share of the majority class is above its prior.
        equal: share of groups with equal rewards.
        form: by how much the format reward rises without the right answers.
    """

    priors: Mapping[str, float] = field(default_factory=dict)
    window: int = 10
    first: int = 3
    longer: float = 2.0
    shorter: float = 0.25
    clipped: float = 0.5
    constant: float = 0.95
    held_out: float = 0.8
    excess: float = 0.25
    equal: float = 0.8
    form: float = 0.3


@dataclass(frozen=True)
class Alarm:
    """One sign: its kind, the step at which it was first seen, and a sentence."""

    kind: str
    step: int
    sentence: str

    def __str__(self) -> str:
        return f"step {self.step}: {self.sentence}"


def alarms(rows: Sequence[Row], watch: Watch) -> list[Alarm]:
    """Return the alarms of a whole run, in the order of their steps."""
    found: dict[str, Alarm] = {}
    for end in range(1, len(rows) + 1):
        for alarm in new_alarms(rows[:end], watch, found):
            found[alarm.kind] = alarm
    return list(found.values())


def new_alarms(rows: Sequence[Row], watch: Watch, known: Mapping[str, Alarm]) -> list[Alarm]:
    """Return the alarms that the last row raises; ``known`` are those (by kind) that were raised before."""
    found = []
    for kind, look in KINDS.items():
        if kind not in known and rows and (sentence := look(rows, watch)):
            found.append(Alarm(kind, int(rows[-1]["step"]), sentence))
    return found


def all_equal(rows: Sequence[Row], watch: Watch) -> str:
    """All groups of the last step have equal rewards, or most groups of a window have."""
    share = _mean(rows[-watch.window :], "zero_std_share")
    if rows[-1]["zero_std_share"] >= 1.0:
        return (
            "all rewards are equal within every group (share of such groups: 100 %), so the gradient of this step is "
            "zero and nothing is learnt from it"
        )
    if len(rows) >= watch.window and share >= watch.equal:
        return (
            f"rewards are equal within {share:.0%} of the groups of the last {watch.window} steps, which teach "
            "nothing; filter the prompts (filter.enabled), or ask for more completions a prompt (training.group_size)"
        )
    return ""


def no_signal(rows: Sequence[Row], watch: Watch) -> str:
    """No group of the first steps has unequal rewards."""
    if len(rows) != watch.first or any(row["zero_std_share"] < 1.0 for row in rows):
        return ""
    right = _mean(rows, "right_reward")
    why = "no completion earns more than another" if right < 1 else "every completion is right"
    return (
        f"in none of the first {watch.first} steps did rewards differ within a group ({why}; mean reward of the answer "
        f"{right:.0%} of the most), so that nothing can be learnt: keep prompts that are sometimes right "
        "(filter.enabled: true), raise training.group_size or training.temperature, give partial credit (span-f1), or "
        "fine-tune the model on answers of this form first (counterpoise train)"
    )


def length_runs_away(rows: Sequence[Row], watch: Watch) -> str:
    """Completions grow, or are cut at the limit where they were not."""
    if len(rows) < 2 * watch.window:
        return ""
    first, last = rows[: watch.window], rows[-watch.window :]
    before, now = _mean(first, "length"), _mean(last, "length")
    cut_before, cut_now = _mean(first, "clipped_share"), _mean(last, "clipped_share")
    if now > watch.longer * before and now - before > 8:
        return f"completions grew from {before:.0f} to {now:.0f} tokens; read some: length may have come to pay"
    if cut_now > watch.clipped and cut_now > cut_before + 0.25:
        return (
            f"{cut_now:.0%} of the completions are cut at training.max_completion ({cut_before:.0%} at first); read "
            "some"
        )
    return ""


def length_collapses(rows: Sequence[Row], watch: Watch) -> str:
    """Completions shrink without being right more often."""
    if len(rows) < 2 * watch.window:
        return ""
    first, last = rows[: watch.window], rows[-watch.window :]
    before, now = _mean(first, "length"), _mean(last, "length")
    if now < watch.shorter * before and before - now > 4 and not _rises(first, last):
        return f"completions shrank from {before:.0f} to {now:.0f} tokens without being right more often; read some"
    return ""


def constant_answer(rows: Sequence[Row], watch: Watch) -> str:
    """Nearly every completion gives the same answer, whatever is asked."""
    if len(rows) < watch.window:
        return ""
    answer, share = _most_common(rows[-watch.window :])
    if answer and share >= watch.constant and watch.priors.get(answer, 0.0) < watch.constant - 0.05:
        return (
            f'{share:.0%} of the completions answer "{_short(answer)}", whatever is asked; look whether the reward can '
            "be earned without reading the question"
        )
    return ""


def held_out_constant(
    task: str, before: Sequence[str], after: Sequence[str], right: Sequence[str], step: int, watch: Watch
) -> Alarm | None:
    """Return an alarm if nearly all items of a task have the same answer after training, which they had not before, and
    which is right for far fewer of them.

    ``before``, ``after`` and ``right`` are answers to the same items; case and blanks do not count.
    """
    if not after:
        return None
    shares = [_counted(answers) for answers in (before, after, right)]
    answer = max(shares[1], key=lambda name: shares[1][name])
    was, share, true = (counted.get(answer, 0.0) for counted in shares)
    if not answer or share < watch.held_out or share - max(was, true) < watch.excess:
        return None
    return Alarm(
        f"constant answer on {task}",
        step,
        f'after training {share:.0%} of the items of {task} are answered "{_short(answer)}", before {was:.0%}, and it '
        f"is right for {true:.0%}: the policy has come to give one answer, whatever is asked",
    )


def _counted(answers: Sequence[str]) -> dict[str, float]:
    """Answer, its blanks and case made one -> its share."""
    counts = Counter(" ".join(answer.split()).lower() for answer in answers)
    return {answer: count / len(answers) for answer, count in counts.items()}


def majority_class(rows: Sequence[Row], watch: Watch) -> str:
    """The class that is right most often is answered far more often than it is right."""
    if len(rows) < watch.window or len(watch.priors) < 2:
        return ""
    answer = max(watch.priors, key=lambda name: watch.priors[name])
    prior = watch.priors[answer]
    share = _shares(rows[-watch.window :]).get(answer, 0.0)
    if prior > 1.1 * min(watch.priors.values()) and share > prior + watch.excess:
        return (
            f'{share:.0%} of the completions answer "{_short(answer)}", the most common class, which is right for '
            f"{prior:.0%} of the prompts; a reward that is not balanced by class pays for that"
        )
    return ""


def format_alone(rows: Sequence[Row], watch: Watch) -> str:
    """The format reward rises, right answers do not."""
    if len(rows) < 2 * watch.window or rows[-1].get("format_reward") is None:
        return ""
    first, last = rows[: watch.window], rows[-watch.window :]
    before, now = _mean(first, "format_reward"), _mean(last, "format_reward")
    if now - before > watch.form and not _rises(first, last):
        return (
            f"the format reward rose from {before:.0%} to {now:.0%} of the most and right answers did not; lower "
            "rewards.format, or give the run more steps"
        )
    return ""


KINDS: dict[str, Callable[[Sequence[Row], Watch], str]] = {
    "all rewards equal": all_equal,
    "no signal": no_signal,
    "length runs away": length_runs_away,
    "length collapses": length_collapses,
    "constant answer": constant_answer,
    "majority class": majority_class,
    "format alone": format_alone,
}


def _mean(rows: Sequence[Row], key: str) -> float:
    """Mean over the steps that have a number; 0 where none has."""
    numbers = [float(row[key]) for row in rows if row.get(key) is not None]
    return sum(numbers) / len(numbers) if numbers else 0.0


def _rises(first: Sequence[Row], last: Sequence[Row]) -> bool:
    return _mean(last, "right_reward") > _mean(first, "right_reward") + 0.02


def _shares(rows: Sequence[Row]) -> dict[str, float]:
    """Answer -> mean share over steps."""
    totals: dict[str, float] = {}
    for row in rows:
        for answer, share in row["answers"].items():
            totals[answer] = totals.get(answer, 0.0) + share / len(rows)
    return totals


def _most_common(rows: Sequence[Row]) -> tuple[str, float]:
    shares = _shares(rows)
    answer = max(shares, key=lambda name: shares[name], default="")
    return answer, shares.get(answer, 0.0)


def _short(answer: str) -> str:
    return answer if len(answer) <= 40 else answer[:37] + "..."
