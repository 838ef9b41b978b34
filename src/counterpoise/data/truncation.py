"""Cut a sample to a length without ever taking the whole answer.

    ids, supervised, cut = truncate(ids, supervised, max_length=1024)      # cut: "", "answer", "prompt" or "both"

The answer's end is cut as long as at least half of ``max_length`` (or the whole answer) stays supervised. Otherwise the
prompt is cut from its left (a bos token stays) to make room for the answer, but never below a quarter of
``max_length``; what is still too long is cut from the answer's end. An answer that lost its end lost its end-of-turn
token too: the model is never taught to stop in mid-sentence.
"""

from counterpoise.data.encoded import Truncated


def truncate(
    ids: list[int], supervised: list[bool], max_length: int, bos: int | None = None
) -> tuple[list[int], list[bool], Truncated]:
    """Return at most ``max_length`` (at least 8) ids, their mask, and which part was cut.

    ``supervised`` must hold a True after its first entry; so does what is returned. Tokens after the last supervised
    one teach nothing: they go first, and do not count as cut. In a conversation of several answers "the prompt" is what
    stands before the first of them, and "the answer" is the rest.
    """
    if len(ids) <= max_length:
        return ids, supervised, ""
    end = len(supervised) - supervised[::-1].index(True)
    ids, supervised = ids[:end], supervised[:end]
    excess = len(ids) - max_length
    if excess <= 0:
        return ids, supervised, ""
    left = 0
    if sum(supervised[:max_length]) < min(sum(supervised), (max_length + 1) // 2):
        left = min(excess, max(0, supervised.index(True) - max_length // 4))
    right = excess - left
    start = 1 if left and ids[0] == bos else 0
    ids = (ids[:start] + ids[start + left :])[:max_length]
    supervised = (supervised[:start] + supervised[start + left :])[:max_length]
    return ids, supervised, "both" if left and right else "prompt" if left else "answer"
