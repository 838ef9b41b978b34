"""What a generated answer says, read strictly: one of the options, a number, a list of labels, or nothing.

>>> chosen("Answer: (B).", ("A", "B", "C", "D"))
1
>>> chosen("B, because of A", ("A", "B", "C", "D"))
1
>>> chosen("It could be either.", ("yes", "no", "maybe")) is None
True

An answer counts where its first line is an option, or begins with one and goes on after a comma, a stop, a colon, a
bracket or a dash; "Answer:" before it is passed over. Nothing is searched for in running prose: "not B" is no B. What
says nothing is None: wrong, and counted as unparsed.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

_LEAD = re.compile(r"^(?:the )?(?:correct |right )?answer(?: is)?\s*[:\-]?\s+(?=\S)", re.IGNORECASE)
_AROUND = " \t*_`\"'"
_NUMBER = re.compile(r"[-+]?\d+(?:\.\d+)?(?=$|[\s,;.)/]*(?:$|\s|out\b))")


def first_line(text: str) -> str:
    """Return the first line that is not blank, without what is put around or before an answer.

    >>> first_line("**Answer:** Yes.")
    'Yes.'
    """
    line = next((line for line in text.splitlines() if line.strip()), "").strip(_AROUND)
    return _LEAD.sub("", line.replace("**", "")).strip(_AROUND)


def chosen(text: str, options: Sequence[str], texts: Sequence[str] = ()) -> int | None:
    """Return the index of the option that an answer names; None if it names none.

    Args:
        text: what was generated.
        options: letters or words; case is ignored.
        texts: the options in words, where ``options`` are letters: they may be written out instead.
    """
    line = first_line(text).casefold()
    for i, option in enumerate(texts or ()):
        if line.rstrip(".") == option.strip().casefold().rstrip("."):
            return i
    for i in sorted(range(len(options)), key=lambda i: -len(options[i])):  # the longest first: "agonist activator"
        word = re.escape(options[i].strip().casefold())
        if re.search(rf"^{word}(?=$|[,.:;)\]]|\s+[-–—(])|^\({word}\)(?!\w)|^\[{word}\](?!\w)", line):
            return i
    return None


def number(text: str) -> float | None:
    """Return the number that an answer begins with.

    >>> number("3.2"), number("3.5 out of 4"), number("about three") is None, number("Score: 2.0") is None
    (3.2, 3.5, True, True)
    """
    found = _NUMBER.match(first_line(text))
    return float(found[0]) if found else None


def listed(text: str, options: Sequence[str]) -> tuple[list[str], int]:
    """Return the options that an answer lists, parted by semicolons, and how many entries are none of them.

    >>> listed("resisting cell death; flying", ["resisting cell death", "inducing angiogenesis"])
    (['resisting cell death'], 1)
    >>> listed("None.", ["resisting cell death"])
    ([], 0)
    """
    line = first_line(text).rstrip(".")
    if line.casefold() == "none":
        return [], 0
    known = {option.casefold(): option for option in options}
    entries = [entry.strip(_AROUND + ".").casefold() for entry in line.split(";")]
    entries = [entry for entry in entries if entry]
    found = list(dict.fromkeys(known[entry] for entry in entries if entry in known))
    return found, sum(entry not in known for entry in entries) + (0 if entries else 1)
