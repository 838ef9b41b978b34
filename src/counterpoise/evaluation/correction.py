"""P-values of several comparisons, corrected so that together they mislead no more often than one would.

>>> [round(p, 3) for p in holm([0.01, 0.04, 0.03])]
[0.03, 0.06, 0.06]
"""

from __future__ import annotations

import math
from collections.abc import Sequence


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down correction of ``p_values``, in their order.

    With the p-values sorted, the k-th smallest of m is multiplied by m - k + 1, never falls below the one before it,
    and stops at 1. It bounds the chance of any false finding among the m, however they depend on each other.

    Source: Holm, Scandinavian Journal of Statistics 6, 65-70 (1979).

    Raises:
        ValueError: a value that is not a number from 0 to 1.
    """
    wrong = [p for p in p_values if math.isnan(p) or not 0.0 <= p <= 1.0]
    if wrong:
        raise ValueError(f"a p-value is {wrong[0]}; expected a number from 0 to 1")
    corrected = [0.0] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, (len(p_values) - rank) * p_values[index]))
        corrected[index] = least
    return corrected
