"""The arithmetic of over-representation over many terms at once: tail probabilities and adjusted p-values.

    upper_tail(overlaps, total, sizes, drawn)    # P(X >= overlap) for each term, the values of scipy.stats.hypergeom.sf
    adjusted(p)                                  # Benjamini-Hochberg q

scipy's own ``hypergeom.sf`` is the reference in the tests. It takes one term at a time inside; here every term takes
the same step of its sum together.
"""

import numpy as np
import numpy.typing as npt
from scipy.special import gammaln

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.integer]


def upper_tail(overlaps: Integers, total: int, sizes: Integers, drawn: int) -> Floats:
    """Return P(X >= overlap), X hypergeometric: genes of a term among ``drawn`` out of ``total``, without replacement.

    Args:
        overlaps: [terms], at least 1.
        total: genes of the background.
        sizes: [terms], genes of each term in the background.
        drawn: genes of the set in the background.

    Returns:
        [terms] float64, to about 1e-9 of each value.

    The sum of the probabilities runs from the overlap away from the mode, so that its first part is its largest and
    the rest falls off: upward, or, when the overlap lies below the mean, downward for the chance of less.
    """
    pairs, where = np.unique(overlaps.astype(np.int64) * (total + 1) + sizes, return_inverse=True)
    k, m = np.divmod(pairs, total + 1)  # terms with the same overlap and size have the same p
    rising = k * total > drawn * m
    start = np.where(rising, k, k - 1)
    first = np.exp(_log_choose(m, start) + _log_choose(total - m, drawn - start) - _log_choose(total, drawn))
    tail = _sum_from(first, start, np.where(rising, 1, -1), total, m, drawn)
    return np.clip(np.where(rising, tail, 1.0 - tail), 0.0, 1.0)[where]


def adjusted(p: Floats) -> Floats:
    """Return Benjamini and Hochberg's q for each p: [terms] float64 in the order of ``p``."""
    order = np.argsort(p, kind="stable")
    raw = p[order] * len(p) / np.arange(1, len(p) + 1)
    q = np.empty_like(raw)
    q[order] = np.minimum(np.minimum.accumulate(raw[::-1])[::-1], 1.0)
    return q


def _log_choose(n: Integers | int, k: Integers | int) -> Floats:
    """Return log(n choose k), minus infinity where there is no such choice."""
    n, k = np.asarray(n, dtype=np.float64), np.asarray(k, dtype=np.float64)
    possible = (k >= 0) & (k <= n)
    k = np.where(possible, k, 0.0)
    n = np.maximum(n, k)
    return np.where(possible, gammaln(n + 1) - gammaln(k + 1) - gammaln(n - k + 1), -np.inf)


def _sum_from(first: Floats, start: Integers, step: Integers, total: int, sizes: Integers, drawn: int) -> Floats:
    """Sum the probabilities from ``start`` on, upward or downward, until nothing is added any more.

    Neighbours: P(x + 1) / P(x) = (size - x)(drawn - x) / ((x + 1)(total - size - drawn + x + 1)).
    """
    sums, part, x = first.copy(), first.copy(), start.astype(np.float64)
    rest = total - sizes - drawn
    active = np.flatnonzero(part > 0)
    while len(active):
        at, up, m, r = x[active], step[active] > 0, sizes[active], rest[active]
        low = np.where(up, at, at - 1)  # the smaller of the two neighbours
        above, below = (m - low) * (drawn - low), (low + 1) * (r + low + 1)
        with np.errstate(divide="ignore", invalid="ignore"):
            ratio = np.where(up, above / below, below / above)
        part[active] *= np.where(np.isfinite(ratio), np.maximum(ratio, 0.0), 0.0)
        x[active] += step[active]
        sums[active] += part[active]
        active = active[part[active] > sums[active] * 1e-17]
    return sums
