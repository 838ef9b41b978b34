"""What naming found, for the terminal: one set in full, or a table of many.

    for line in one_set(record):
        print(line)
    rich.print(sets_table(records))

Names, claims and ids come from models and files: a control character in them is spelled out, not sent to the terminal.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from rich.table import Table
from rich.text import Text

from counterpoise.report.naming_cards import Room, small
from counterpoise.report.naming_prose import Record, confidence, confidence_meaning
from counterpoise.report.safe_text import excerpt, spelled

WIDTH = 110
LISTED = 40
"""Genes that are listed on a line."""
LONGEST = 4_000
"""Characters of a text; more stands in --json and in the page."""
LINES = 5
"""Lines of evidence that a source may fill."""


def one_set(record: Record, reasons: Mapping[str, str] | None = None) -> Iterator[str]:
    """Yield one set as lines: name, confidence, what was not recognised, analysis, claims with sources, terms.

    Args:
        record: what ``counterpoise.biology.naming.name_gene_sets`` returns for a set.
        reasons: why a name was not recognised, where it is known.
    """
    yield _plain(record["name"]) or "no name could be had"
    if record.get("first_name") and record["first_name"] != record["name"]:
        yield f"before the check: {_plain(record['first_name'])}"
    yield from _wrapped(f"confidence {confidence(record)}: {confidence_meaning(record)}", "  ")
    yield from _genes(record, reasons or {})
    for problem in record["problems"]:
        yield from _wrapped(f"note: {problem}", "  ")
    if record["analysis"]:
        yield ""
        for paragraph in Room(LONGEST).text(record["analysis"], LONGEST).splitlines():
            yield from _wrapped(paragraph, "") if paragraph.strip() else [""]
    if record["claims"]:
        yield ""
        yield "claims:"
    for claim in record["claims"]:
        yield from _claim(claim)
    if record.get("enrichment"):
        yield ""
        yield "most enriched terms:" if record["mode"] == "enrichment" else "enrichment alone, beside it:"
    for term in record.get("enrichment") or []:
        yield from _wrapped(
            f"{term['name']} ({term['id']}, {term['source']}): {len(term['overlap'])} of its {term['size']:,} genes, "
            f"p {small(term['p'])}, q {small(term['q'])}: {_listed(term['overlap'])}",
            "  ",
            hanging="    ",
        )


def _genes(record: Record, reasons: Mapping[str, str]) -> Iterator[str]:
    known = len(record["genes"])
    asked = known + len(record["unknown"]) + len(record["ambiguous"])
    yield from _wrapped(f"genes: {known:,} of {asked:,} recognised: {_listed(record['genes'])}", "  ", hanging="    ")
    unknown = [name + (f" ({reasons[name]})" if name in reasons else "") for name in record["unknown"]]
    ambiguous = [f"{name} ({' or '.join(map(str, may[:6]))})" for name, may in record["ambiguous"].items()]
    for what, names in (("not recognised", unknown), ("ambiguous", ambiguous), ("given twice", record["duplicates"])):
        if names:
            yield from _wrapped(f"{what}: {_listed(names)}", "  ", hanging="    ")
    if record["species"]:
        yield from _wrapped(f"species: {record['species']}", "  ", hanging="    ")


def _claim(claim: Record) -> Iterator[str]:
    yield from _wrapped(f"[{claim['decision']}] on the {claim['about']}: {claim['text']}", "  ", hanging="    ")
    if claim["reason"]:
        yield from _wrapped(f"why: {claim['reason']}", "    ", hanging="      ")
    for finding in claim["evidence"]:
        head = f"{finding['tool']} ({finding['source']})" if finding["source"] else str(finding["tool"])
        if finding["failure"]:
            yield from _wrapped(f"{head}: no answer: {finding['failure']}", "    ", hanging="      ")
            continue
        lines = list(finding["lines"])
        more = f"; and {len(lines) - LINES:,} lines more" if len(lines) > LINES else ""
        said = "; ".join(map(str, lines[:LINES])) + more if lines else "knows nothing of this"
        yield from _wrapped(f"{head}: {said}", "    ", hanging="      ")
    if not claim["evidence"]:
        yield "    no source was asked"


def sets_table(records: Sequence[Record]) -> Table:
    """Return a row a set: id, genes, name, confidence with its level, claims supported, whether it is complete."""
    checked = any(record["claims"] for record in records)
    heads = ["set", "genes", "name", "confidence", *(["supported"] if checked else []), "complete"]
    table = Table(*heads, box=None, pad_edge=False)
    for record in records:
        named = len(record["genes"]) + len(record["unknown"]) + len(record["ambiguous"])
        held = sum(claim["decision"] == "supported" for claim in record["claims"])
        table.add_row(
            Text(_plain(excerpt(record["id"], 40))),
            f"{len(record['genes']):,}" + (f" of {named:,}" if named > len(record["genes"]) else ""),
            Text(_plain(excerpt(record["name"], 70)) or "-"),
            confidence(record),
            *([f"{held} of {len(record['claims'])}"] if checked else []),
            "yes" if record["complete"] else "no",
        )
    return table


def _plain(text: object) -> str:
    return spelled(excerpt(text, LONGEST))


def _listed(names: Sequence[object]) -> str:
    return Room(LONGEST).listed(names, LISTED)


def _wrapped(text: str, indent: str, hanging: str | None = None) -> list[str]:
    lines = textwrap.wrap(
        _plain(text),
        WIDTH,
        initial_indent=indent,
        subsequent_indent=indent if hanging is None else hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )
    return lines or [indent.rstrip()]
