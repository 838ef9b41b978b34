"""Signs of reward hacking: each seen where it is, at the step where it begins, and nowhere else."""

import pytest

from counterpoise.reinforcement.alarms import Watch, alarms, held_out_constant, new_alarms
from counterpoise.reinforcement.said import answer_of, answer_shares, priors_of
from tiny_policies import letter_prompts

WATCH = Watch(priors={"yes": 0.55, "no": 0.34, "maybe": 0.11}, window=4)
SOUND = {
    "zero_std_share": 0.3,
    "right_reward": 0.4,
    "format_reward": 0.5,
    "length": 20.0,
    "clipped_share": 0.0,
    "answers": {"yes": 0.5, "no": 0.3, "maybe": 0.1, "": 0.1},
}


def run(*phases, watch=WATCH):
    """Rows of (steps, what differs) one phase after the other; return the alarms."""
    rows = [SOUND | changes for steps, changes in phases for _ in range(steps)]
    return alarms([row | {"step": i + 1} for i, row in enumerate(rows)], watch)


def kinds(found):
    return {alarm.kind: alarm.step for alarm in found}


def test_a_sound_run_raises_none():
    assert run((40, {})) == []


def test_equal_rewards_are_said_at_once_with_their_share():
    found = run((5, {}), (1, {"zero_std_share": 1.0}), (5, {}))
    assert kinds(found) == {"all rewards equal": 6}
    assert "share of such groups: 100 %" in found[0].sentence


def test_mostly_equal_rewards_are_said_after_a_window():
    found = run((9, {"zero_std_share": 0.9}))
    assert kinds(found) == {"all rewards equal": 4}
    assert "within 90% of the groups" in found[0].sentence


@pytest.mark.parametrize(("right", "why"), [(0.0, "no completion earns more"), (1.0, "every completion is right")])
def test_no_signal_in_the_first_steps_says_what_to_do(right, why):
    found = run((6, {"zero_std_share": 1.0, "right_reward": right}))
    assert kinds(found) == {"all rewards equal": 1, "no signal": 3}
    assert why in found[1].sentence
    assert "filter.enabled" in found[1].sentence
    assert "no signal" not in kinds(run((2, {"zero_std_share": 1.0}), (9, {})))


def test_length():
    assert kinds(run((4, {}), (9, {"length": 60.0}))) == {"length runs away": 8}
    assert kinds(run((4, {}), (9, {"clipped_share": 0.9}))) == {"length runs away": 8}
    assert run((4, {}), (9, {"length": 25.0})) == []
    assert kinds(run((4, {}), (9, {"length": 2.0}))) == {"length collapses": 8}
    learnt = {"length": 2.0, "right_reward": 0.8}  # short, since it now answers as it was asked to
    assert run((4, {}), (9, learnt)) == []


def test_constant_answer_and_majority_class():
    found = run((4, {}), (9, {"answers": {"yes": 1.0}}))
    assert kinds(found) == {"majority class": 7, "constant answer": 8}  # both of the mean over four steps
    assert '100% of the completions answer "yes"' in {a.kind: a for a in found}["constant answer"].sentence
    assert kinds(run((4, {}), (9, {"answers": {"yes": 0.88, "no": 0.1}}))) == {"majority class": 8}
    assert kinds(run((9, {"answers": {"maybe": 0.97, "": 0.03}}))) == {"constant answer": 4}
    assert run((9, {"answers": {"": 1.0}})) == []  # nothing parsed is no answer


@pytest.mark.parametrize(
    ("before", "after", "raised"),
    [
        (["a"] * 10, ["none"] * 9 + ["a"], True),  # nine of ten, four rightly
        (["a"] * 10, [" None\n", "NONE", *["none"] * 7, "a"], True),  # however it is written
        (["a"] * 10, ["none"] * 7 + ["a"] * 3, False),  # not nearly all
        (["none"] * 7 + ["a"] * 3, ["none"] * 9 + ["a"], False),  # it always was so
        (["a"] * 10, [""] * 10, False),  # no answer is none
        ([], [], False),
    ],
)
def test_a_run_that_ends_in_one_answer_shows_on_held_out_items(before, after, raised):
    right = (["none"] * 4 + [f"disease {i}" for i in range(6)])[: len(after)]
    found = held_out_constant("ncbi-disease", before, after, right, 40, Watch())
    assert (found is not None) == raised
    if found is not None:
        assert found.step == 40
        assert found.sentence.startswith(
            'after training 90% of the items of ncbi-disease are answered "none", before 0%'
        )
        assert "right for 40%" in found.sentence


def test_one_answer_that_is_mostly_right_is_no_collapse():
    right = ["yes"] * 9 + ["no"]
    assert held_out_constant("t", ["no"] * 10, ["yes"] * 10, right, 5, Watch()) is None


def test_an_answer_that_is_always_right_is_no_sign():
    watch = Watch(priors={"yes": 1.0}, window=4)
    assert run((9, {"answers": {"yes": 1.0}}), watch=watch) == []


def test_balanced_classes_have_no_majority():
    watch = Watch(priors={"A": 0.26, "B": 0.25, "C": 0.25, "D": 0.24}, window=4)
    assert run((9, {"answers": {"A": 0.7, "B": 0.3}}), watch=watch) == []


def test_format_without_right_answers():
    found = run((4, {}), (9, {"format_reward": 1.0}))
    assert kinds(found) == {"format alone": 8}
    assert run((4, {}), (9, {"format_reward": 1.0, "right_reward": 0.7})) == []
    assert run((9, {"format_reward": None})) == []


def test_an_alarm_is_raised_once_and_step_by_step_as_over_the_whole_run():
    rows = [SOUND | {"step": i + 1, "zero_std_share": 1.0, "answers": {"yes": 1.0}} for i in range(9)]
    known = {}
    for end in range(1, len(rows) + 1):
        for alarm in new_alarms(rows[:end], WATCH, known):
            assert alarm.kind not in known
            known[alarm.kind] = alarm
    assert list(known.values()) == alarms(rows, WATCH)
    assert str(known["no signal"]).startswith("step 3: ")


def test_answers_are_read_strictly():
    prompt = letter_prompts(1, "AB")[0]
    assert [answer_of(prompt, text) for text in ("B", "A, B", "who knows", "")] == ["B", "", "", ""]
    assert answer_shares(["B", "B", "", "A"]) == {"B": 0.5, "": 0.25, "A": 0.25}
    assert priors_of(letter_prompts(4, "AB")) == {"A": 0.5, "B": 0.5}
    assert priors_of([]) == {}
