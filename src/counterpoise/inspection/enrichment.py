"""Do dense runs of low confidence fall on biomedical terms? Terms per 100 words in windows of group B against group A.

found = enrichment(windows, groups, token_ids, lengths, tokenizer, embedded_lexicon())
found["ratio"]                                                  # {"value": 1.4, "low": 1.2, "high": 1.6}
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from counterpoise.inspection.bootstrap import estimate, resampled
from counterpoise.inspection.lexicon import Lexicon
from counterpoise.inspection.windows import Windows

BLOCK = 256
"""Windows decoded at once."""
NOTE = (
    "Terms are found by their words alone. A ratio above 1 says that dense windows hold more of these words, not that "
    "the words are what the model does not know: rare words of any kind are improbable, and dense windows may "
    "differ in topic. Overlapping windows count words more than once; the interval resamples whole samples."
)


def enrichment(
    windows: Windows,
    groups: NDArray[np.str_],
    token_ids: NDArray[np.int32],
    lengths: NDArray[np.int64],
    tokenizer: Any,
    lexicon: Lexicon,
) -> dict[str, Any] | None:
    """Compare the windows of groups B and A of one text.

    Args:
        windows, groups: as `diagnostic` finds them.
        token_ids: [N] supervised tokens, sample after sample; ``lengths`` [S] of each sample.
        tokenizer: decodes a window at a time.
        lexicon: the terms.

    Returns:
        ``rate_a`` and ``rate_b`` (terms per 100 words), ``ratio`` B over A with its interval, windows and words of each
        group; None where one of the groups has no window.
    """
    chosen = np.flatnonzero((groups == "A") | (groups == "B"))
    is_dense = groups[chosen] == "B"
    if not is_dense.any() or is_dense.all():
        return None
    first = (lengths.cumsum() - lengths)[windows.sample] + windows.start
    counts = np.zeros((len(chosen), 2))
    for start in range(0, len(chosen), BLOCK):
        part = chosen[start : start + BLOCK]
        ids = [token_ids[first[w] : first[w] + windows.length[w]].tolist() for w in part]
        texts = tokenizer.batch_decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False)
        counts[start : start + len(part)] = [lexicon.count(text) for text in texts]
    columns = np.concatenate([counts * ~is_dense[:, None], counts * is_dense[:, None]], axis=1)
    sums = np.zeros((len(lengths), 4))  # terms and words of A, terms and words of B
    np.add.at(sums, windows.sample[chosen], columns)
    sums = sums[sums.any(axis=1)]
    terms_a, words_a, terms_b, words_b = sums.sum(0)
    if not (words_a and words_b):
        return None
    ratio = estimate(lambda t: (t[..., 2] / t[..., 3]) / (t[..., 0] / t[..., 1]), sums, resampled(sums))
    return {
        "terms": lexicon.name,
        "n_terms": lexicon.size,
        "rate_a": 100 * terms_a / words_a,
        "rate_b": 100 * terms_b / words_b,
        "ratio": ratio,
        "windows_a": int((~is_dense).sum()),
        "windows_b": int(is_dense.sum()),
        "words_a": int(words_a),
        "words_b": int(words_b),
        "note": NOTE,
    }
