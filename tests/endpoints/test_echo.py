"""Which of the tokens that a server repeats are the option's."""

import math

import pytest

from counterpoise.endpoints.client import Completion
from counterpoise.endpoints.echo import NotSeparable, gives_log_probs, option_log_prob


def echoed(tokens, values=None, offsets=None, generated=1, usage=True):
    """An answer whose last ``generated`` tokens are new."""
    values = [None, *(-float(i) for i in range(1, len(tokens)))] if values is None else values
    found = {"tokens": tokens, "token_logprobs": values, "text_offset": offsets}
    counts = {"prompt_tokens": len(tokens) - generated, "completion_tokens": generated} if usage else {}
    return Completion("".join(tokens), "length", found, counts)


@pytest.mark.parametrize("generated", [0, 1])
@pytest.mark.parametrize("first", [[], ["<s>"], [""]])
def test_the_last_tokens_of_the_prompt_are_summed(first, generated):
    tokens = [*first, "Answer", ":", " not", " known", *[" x"][:generated]]
    at = len(first) + 2
    found = option_log_prob(echoed(tokens, generated=generated), "Answer:", " not known")
    assert found == (-(at + at + 1), 2)


def test_without_token_counts_one_new_token_is_assumed():
    assert option_log_prob(echoed(["A", ":", " yes", " yes"], usage=False), "A:", " yes") == (-2.0, 1)


def test_an_option_that_the_model_repeats_is_counted_once():
    assert option_log_prob(echoed(["A", ":", " yes", " yes"]), "A:", " yes") == (-2.0, 1)


@pytest.mark.parametrize("tokens", [["A", ": yes", " x"], ["A", ":", " ", "\n yes", " x"]])
def test_a_token_over_the_boundary_is_named(tokens):
    with pytest.raises(NotSeparable, match="tokenizer merges the option ' yes' with the prompt in the token") as caught:
        option_log_prob(echoed(tokens), "".join(tokens[:-1]).removesuffix(" yes"), " yes")
    assert repr(tokens[-2]) in str(caught.value)


def test_halves_of_a_character_are_found_by_offset():
    """As OpenAI gives them: the strings are no text, the offsets count the text's characters."""
    tokens, offsets = ["TNF", ":", "bytes: \\xce", "bytes:\\xb2", "x"], [0, 3, 4, 5, 6]
    assert option_log_prob(echoed(tokens, offsets=offsets), "TNF:", " β") == (-5.0, 2)
    shifted = [0, 3, 6, 7, 8, 9]
    assert option_log_prob(echoed(["<s>", *tokens], offsets=shifted), "TNF:", " β") == (-7.0, 2)


@pytest.mark.parametrize("offsets", [None, [-1] * 5, [0, 3, 4, 5, 7], [0, 3, 6, 5, 6], [0, 3, 4]])
def test_offsets_that_do_not_fit_the_text_are_not_believed(offsets):
    tokens = ["TNF", ":", " \ufffd", "\ufffd", "x"]
    with pytest.raises(NotSeparable, match="do not read as the text"):
        option_log_prob(echoed(tokens, offsets=offsets), "TNF:", " β")


def test_a_half_before_the_option_is_not_left_out():
    """Some servers give the first half as an empty string: then the sum over the rest would be too high."""
    with pytest.raises(NotSeparable):
        option_log_prob(echoed(["T", ":", "", "β", "x"]), "T:", "β")


@pytest.mark.parametrize("value", [None, math.nan, -math.inf])
def test_an_option_needs_finite_log_probs(value):
    with pytest.raises(NotSeparable):
        option_log_prob(echoed(["A", ":", " yes", "x"], [None, -1.0, value, -1.0]), "A:", " yes")


def test_an_option_without_context_has_no_log_prob_of_its_first_token():
    with pytest.raises(NotSeparable, match="no finite log-probability"):
        option_log_prob(echoed(["yes", " no", "x"]), "", "yes no")


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        {},
        {"tokens": ["a", "b", "c"], "token_logprobs": None},
        {"tokens": ["a", "b", "c"], "token_logprobs": [None, None, -1.0]},
        {"tokens": ["x"], "token_logprobs": [-1.0]},
    ],
)
def test_answers_without_log_probs_of_the_prompt(logprobs):
    assert not gives_log_probs(Completion("a", "length", logprobs, {}))
