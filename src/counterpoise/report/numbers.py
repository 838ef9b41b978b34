"""Numbers as they are printed, the same everywhere: accuracies and differences to three decimals, nats to two.

>>> fraction(0.5584), nats(4.2126), signed(-0.0751), percent(0.0123), rate(5e-5), p_value(0.00004)
('.558', '4.21', '-.075', '1.2 %', '5e-5', '< .001')
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Sequence

from counterpoise.evaluation.intervals import Estimate

ABSENT = "-"
"""Stands where there is no number."""

Form = Callable[[float], str]


def is_missing(value: float | None) -> bool:
    """Whether there is no number: null in JSON, or NaN."""
    return value is None or math.isnan(value)


def fraction(value: float | None) -> str:
    """Three decimals without the zero before the point: an accuracy, a confidence, a weight."""
    return ABSENT if value is None else _bare(f"{value:.3f}")


def signed(value: float) -> str:
    """A difference: three decimals and always a sign."""
    return _bare(f"{value:+.3f}")


def nats(value: float) -> str:
    """A negative log-likelihood per token, two decimals."""
    return ABSENT if math.isnan(value) else f"{value:.2f}"


def percent(value: float) -> str:
    """A share in percent, one decimal."""
    return ABSENT if math.isnan(value) else f"{100 * value:.1f} %"


def rate(value: float) -> str:
    """A learning rate: ``5e-5``."""
    mantissa, exponent = f"{value:e}".split("e")
    return f"{mantissa.rstrip('0').rstrip('.')}e{int(exponent)}"


def p_value(value: float) -> str:
    """A p-value, three decimals; ``< .001`` below that."""
    return "< .001" if value < 0.001 else fraction(value)


def threshold(value: float) -> str:
    """A round number, as it was set: ``.1``."""
    return _bare(f"{value:g}")


def interval(estimate: Estimate, form: Form) -> str:
    """``[.518, .597]``."""
    return f"[{form(estimate.low)}, {form(estimate.high)}]"


def with_interval(estimate: Estimate, form: Form) -> str:
    """``.558 [.518, .597]``."""
    return f"{form(estimate.value)} {interval(estimate, form)}"


def listed(words: Sequence[str]) -> str:
    """``a, b and c``."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} and {words[-1]}"


def typeset(text: str) -> str:
    """For print: true minus signs, curly apostrophes, no line break inside an interval or before ``%``."""
    text = re.sub(r"(?<![\w.-])-(?=\.?\d)", "\N{MINUS SIGN}", text)
    text = re.sub(r"\[([^\s\]]+), ([^\s\]]+)\]", "[\\1,\N{NO-BREAK SPACE}\\2]", text)
    text = re.sub(r"(?<=\w)'", "\N{RIGHT SINGLE QUOTATION MARK}", text)
    text = re.sub(r"(\d) \[", "\\1\N{NO-BREAK SPACE}[", text)
    return text.replace(" %", "\N{NO-BREAK SPACE}%")


def _bare(text: str) -> str:
    """Drop the zero before the point, and the sign of a zero."""
    if "nan" in text:
        return ABSENT
    if not re.search("[1-9]", text):
        text = text.lstrip("+-")
    return re.sub(r"^([+-]?)0\.", r"\1.", text)
