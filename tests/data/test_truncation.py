"""What is cut from a sample that is too long, worked out by hand at a maximum of 40 tokens."""

import pytest

from counterpoise.data.truncation import truncate


def sample(*parts: int) -> tuple[list[int], list[bool]]:
    """Tokens 0, 1, 2, ... in parts of the given lengths: prompt, answer, prompt, answer, ..."""
    supervised = [bool(number % 2) for number, length in enumerate(parts) for _ in range(length)]
    return list(range(len(supervised))), supervised


@pytest.mark.parametrize(
    ("parts", "kept", "cut"),
    [
        ((20, 20), [*range(40)], ""),
        ((20, 20, 5), [*range(40)], ""),  # what follows the last answer teaches nothing
        ((20, 30), [*range(40)], "answer"),  # 20 supervised tokens stay: half
        ((21, 30), [0, *range(12, 51)], "prompt"),  # only 19 would stay, so the prompt makes room for all 30
        ((30, 20), [0, *range(11, 50)], "prompt"),
        ((100, 5), [0, *range(66, 105)], "prompt"),
        ((100, 100), [0, *range(91, 130)], "both"),  # the prompt keeps a quarter
        ((5, 100), [*range(40)], "answer"),
        ((5, 10, 30, 10), [*range(40)], "answer"),  # the first answer and its context stay
        ((60, 10, 5, 5), [0, *range(41, 80)], "prompt"),
    ],
)
def test_truncate(parts: tuple[int, ...], kept: list[int], cut: str) -> None:
    ids, supervised = sample(*parts)
    left, mask, what = truncate(ids, supervised, 40, bos=0)
    assert (left, what) == (kept, cut)
    assert mask == [supervised[i] for i in kept]


def test_without_bos_the_prompt_keeps_its_end() -> None:
    assert truncate(*sample(100, 5), 40)[0] == [*range(65, 105)]
    assert truncate(*sample(100, 5), 40, bos=7)[0] == [*range(65, 105)]
