"""When two names say the same: case, punctuation, brackets, plurals and empty words set aside.

>>> name_key("MAPK signaling pathway") == name_key("MAPK Signalling")
True
>>> name_key("regulation of apoptosis") == name_key("apoptosis")
False
"""

import re
from functools import cache

WORDS = "a an and by during for from in into of on or the to via with pathway process system"
EMPTY = frozenset(WORDS.split())
"""Words that tell no two processes apart."""
BRACKETS = re.compile(r"\([^()]*\)")
WORD = re.compile(r"[a-z0-9]+")


@cache
def name_key(name: str) -> tuple[str, ...]:
    """Return the words of a name that matter, in order; names with the same ones are taken for the same.

    A name of empty words alone keeps all of them, so that it equals itself only.
    """
    text = BRACKETS.sub(" ", name).casefold().replace("signalling", "signaling").replace("'s ", " ")
    words = tuple(_singular(word) for word in WORD.findall(text))
    return tuple(word for word in words if word not in EMPTY) or words


def _singular(word: str) -> str:
    return word[:-1] if len(word) > 3 and word.endswith("s") and not word.endswith(("ss", "is", "us")) else word
