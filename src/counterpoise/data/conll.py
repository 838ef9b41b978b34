"""Tagged words in CoNLL form: a token and its tag a line, a blank line after each sentence, no header.

    for record in conll_records(Path("ncbi/train.tsv")):
        ...                         # Located({"tokens": [...], "tags": [...]}, source="train.tsv:1", ...) or a Problem

Columns are parted by tabs, or else by blanks; the first is the token and the last its tag, what lies between (part of
speech, chunk) is not read. Tags are IOB2; ``one_word_entities=True`` reads I-X as B-X, for files that label words, not
entities. Lines of ``-DOCSTART-`` are left out.
"""

from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path

from counterpoise.data.records import Located, Problem, text_lines

SUFFIXES = (".conll", ".iob", ".bio", ".tsv")
"""Names of such files end so, or with .gz after it."""


def conll_records(path: Path, *, one_word_entities: bool = False) -> Iterator[Located | Problem]:
    """Yield one record a sentence, or the first problem in it, with the number of its own line.

    ``one_word_entities``: every labelled word becomes an entity of its own (`words_alone`), so that files without B-
    can be read.
    """
    broken: dict[int, str] = {}
    rows: list[tuple[int, str, str]] = []
    problem: Problem | None = None
    lines = enumerate(text_lines(path, broken), start=1)
    for number, line in chain(lines, [(0, "")]):  # a blank line ends the last one
        text = line.rstrip("\r\n")
        if text.strip():
            fields = text.split("\t") if "\t" in text else text.split()
            reason = broken.pop(number, "")
            if not reason and (len(fields) < 2 or not fields[0].strip() or not fields[-1].strip()):
                reason = f"expected a token and its tag, parted by a tab or a blank, found {text[:40]!r}"
            if reason:
                problem = problem or Problem(path.name, f"line {number}", reason)
            rows.append((number, fields[0], fields[-1].strip()))
            continue
        if rows and rows[0][1] != "-DOCSTART-":
            yield problem or _sentence(path, rows, one_word_entities)
        rows, problem = [], None


def tag_problem(tags: Sequence[str]) -> tuple[int, str] | None:
    """Return the index of the first tag that breaks IOB2, and what would be right; None if all is well.

    >>> tag_problem(["O", "I-Disease"])
    (1, "tag 'I-Disease' follows 'O', so it continues no entity; the first word of an entity is B-Disease")
    >>> tag_problem(["B-Disease", "I-Disease", "O"]) is None
    True
    """
    before = "O"
    for index, tag in enumerate(tags):
        parts = split_tag(tag)
        if parts is None:
            return index, f"tag {tag!r} is not IOB2; expected O, or B- or I- and a type, as in B-Disease"
        prefix, kind = parts
        if prefix == "I" and before[2:] != kind:
            where = f"follows {before!r}" if index else "comes first"
            return index, f"tag {tag!r} {where}, so it continues no entity; the first word of an entity is B-{kind}"
        before = tag
    return None


def split_tag(tag: str) -> tuple[str, str] | None:
    """Return the prefix and the type of an IOB2 tag, ("O", "") for O, None if it is no such tag.

    >>> split_tag("B-Disease"), split_tag("O"), split_tag("Disease")
    (('B', 'Disease'), ('O', ''), None)
    """
    if tag == "O":
        return "O", ""
    return (tag[0], tag[2:]) if tag[:2] in ("B-", "I-") and tag[2:] else None


def words_alone(tags: Sequence[str]) -> tuple[str, ...]:
    """Return the tags with each I- as B-, so that every labelled word is an entity.

    This is how BLURB reads EBM PICO, whose tags are I- alone (Gu et al. 2021; LinkBERT's evaluation code does it).

    >>> words_alone(["I-PAR", "I-PAR", "O"])
    ('B-PAR', 'B-PAR', 'O')
    """
    return tuple(f"B-{tag[2:]}" if tag.startswith("I-") else tag for tag in tags)


def _sentence(path: Path, rows: Sequence[tuple[int, str, str]], one_word_entities: bool) -> Located | Problem:
    numbers, words, tags = zip(*rows, strict=True)
    if one_word_entities:
        tags = words_alone(tags)
    if found := tag_problem(tags):
        return Problem(path.name, f"line {numbers[found[0]]}", found[1])
    record = {"tokens": list(words), "tags": list(tags)}
    return Located(record, path.name, f"line {numbers[0]}", f"{path.name}:{numbers[0]}")
