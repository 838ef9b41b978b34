"""Log-probabilities of a text that is given, read from a completion that repeats it (``echo`` and ``logprobs``).

    answer = client.complete("Is GFAP a filament? Answer: yes", max_tokens=1, logprobs=1, echo=True)
    option_log_prob(answer, "Is GFAP a filament? Answer:", " yes")      # (-0.3, 1): nats, tokens

Servers differ: some put a special token first, some count its characters in ``text_offset`` (vLLM), some give no
offsets (SGLang: -1). So the option is looked for from the end: the prompt's last tokens, put together, must read
exactly as the option. Offsets serve where token strings do not read as the text, as with halves of a character.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from typing import Any

from counterpoise.endpoints.client import Completion


class NotSeparable(ValueError):  # noqa: N818
    """The option's tokens cannot be told from the prompt's; the message says why."""


def gives_log_probs(answer: Completion) -> bool:
    """True if the answer to an ``echo`` request holds log-probabilities of the prompt's tokens."""
    found = answer.logprobs or {}
    tokens, values = found.get("tokens"), found.get("token_logprobs")
    if not isinstance(tokens, list) or not isinstance(values, list) or len(tokens) != len(values):
        return False
    end = len(tokens) - _generated(answer)
    return end >= 2 and all(isinstance(value, int | float) for value in values[1:end])


def option_log_prob(answer: Completion, context: str, option: str) -> tuple[float, int]:
    """Return the summed log-probability of ``option`` after ``context``, in nats, and its number of tokens.

    Args:
        answer: to the prompt ``context + option``, asked for with ``echo``, ``logprobs`` and at most one new token.
        context: what comes before.
        option: what is scored, the blank before it included.

    Raises:
        NotSeparable: a token holds the end of the context and the start of the option, or the answer's tokens do not
            line up with the text, or one of them has no log-probability.
    """
    if not gives_log_probs(answer):
        raise NotSeparable("the answer holds no log-probabilities of the given text")
    assert answer.logprobs is not None
    tokens: Sequence[str] = [str(token) for token in answer.logprobs["tokens"]]
    values: Sequence[Any] = answer.logprobs["token_logprobs"]
    end = len(tokens) - _generated(answer)
    start = _from_the_end(tokens[:end], option)
    if start is None:
        start = _by_offset(answer.logprobs.get("text_offset"), tokens, end, context, option)
    found = values[start:end]
    if not found or not all(isinstance(value, int | float) and math.isfinite(value) for value in found):
        raise NotSeparable(f"a token of the option {option!r} has no finite log-probability")
    return float(sum(found)), len(found)


def _generated(answer: Completion) -> int:
    """How many of the tokens are new, not the prompt's: one or none."""
    counted = answer.usage.get("completion_tokens")
    prompt = answer.usage.get("prompt_tokens")
    tokens = len((answer.logprobs or {}).get("tokens") or ())
    if isinstance(prompt, int) and tokens - prompt in (0, 1):
        return tokens - prompt
    return 0 if counted == 0 else 1


def _from_the_end(tokens: Sequence[str], option: str) -> int | None:
    """Index of the option's first token; None if the token strings do not read as the option."""
    text, start = "", len(tokens)
    while len(text) < len(option) and start > 0:
        start -= 1
        text = tokens[start] + text
    if text == option:
        half = start > 0 and tokens[start - 1] == "" and not option[0].isascii()
        return None if half else start
    if text.endswith(option):
        raise _merged(tokens[start], option)
    return None


def _by_offset(offsets: Any, tokens: Sequence[str], end: int, context: str, option: str) -> int:
    """Index of the option's first token by ``text_offset``, used only where it ends where the text ends."""
    unclear = NotSeparable(
        f"the server's tokens do not read as the text, so the option {option!r} cannot be told apart"
    )
    if not isinstance(offsets, list) or len(offsets) != len(tokens) or not all(isinstance(o, int) for o in offsets):
        raise unclear
    if end == len(offsets) or offsets[0] < 0 or any(a > b for a, b in itertools.pairwise(offsets)):
        raise unclear
    shift = offsets[end] - len(context + option)  # characters of a special token that was put first
    if shift not in (0, len(tokens[0])):
        raise unclear
    boundary = len(context) + shift
    for i in range(1, end):
        if offsets[i] == boundary:
            return i
        if offsets[i] > boundary:
            raise _merged(tokens[i - 1], option)
    raise _merged(tokens[end - 1], option)


def _merged(token: str, option: str) -> NotSeparable:
    return NotSeparable(f"the tokenizer merges the option {option!r} with the prompt in the token {token!r}")
