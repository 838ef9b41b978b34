"""One gene set's card on the page of a naming run: what of its record is shown, and at which length.

    view = card(record, characters=10_000)      # for templates/naming_card.html.j2

A record may hold megabytes, since a model wrote part of it: a card has so much room, spent on what matters most first.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, TypeVar

from counterpoise.report.naming_prose import Record, confidence, confidence_meaning
from counterpoise.report.numbers import rate, threshold

DECISIONS = {"supported": "✓", "partly": "◐", "refuted": "✗", "not checked": "?"}
"""What may be decided of a claim, with the sign beside the word."""
GENES = 300
"""Genes that a card lists."""
OVERLAP = 30
"""Genes that are listed for an enriched term."""
ITEM = 200
"""Characters of one of several names: a gene as it was given may be any text, and a reason may stand behind it."""
NAME, ANALYSIS, CLAIM, LINE = 600, 6_000, 1_200, 600
"""Characters of a name, an analysis, a claim or its reason, and a line of evidence."""
LEAST = 80
"""Characters each of a prompt and its reply below which a step is not worth showing."""
PER_ITEM = 40
"""Characters that the HTML around an item of a list takes, counted with the item."""

Item = TypeVar("Item")


class Room:
    """Characters that a card may still take; what asks for more is cut, and ``cut`` remembers it."""

    def __init__(self, characters: int) -> None:
        self.left = characters
        self.cut = False

    def text(self, value: object, most: int) -> str:
        """Return at most ``most`` characters of ``value``, and no more than are left."""
        text = str(value)
        kept = max(0, min(most, self.left))
        self.left -= min(len(text), kept)
        if len(text) <= kept:
            return text
        self.cut = True
        return text[:kept].rstrip() + "…"

    def items(self, values: Iterable[Item]) -> Iterator[Item]:
        """Yield ``values`` while there is room."""
        for value in values:
            if self.left <= 0:
                self.cut = True
                return
            self.left -= PER_ITEM
            yield value

    def listed(self, values: Sequence[Any], most: int) -> str:
        """Return ``a, b, c and 7 more``."""
        if not values:
            return ""
        shown = [self.text(value, ITEM) for value in self.items(values[:most])]
        more = len(values) - len(shown)
        return ", ".join(shown) + (f" and {more:,} more" if more else "")


def card(record: Record, characters: int) -> dict[str, Any]:
    """Return what the card's template shows of ``record``, within about ``characters`` characters of text."""
    room = Room(characters)
    name, analysis = room.text(record["name"], NAME), room.text(record["analysis"], ANALYSIS)
    first = record.get("first_name") or ""
    view = {
        "name": name,
        "first_name": room.text(first, NAME) if first != record["name"] else "",
        "confidence": confidence(record),
        "meaning": confidence_meaning(record),
        "analysis": analysis,
        "problems": [room.text(problem, LINE) for problem in room.items(record["problems"])],
        "complete": record["complete"],
        "mode": record["mode"],
        "genes": _genes(record, room),
        "claims": [_claim(claim, room) for claim in room.items(record["claims"])],
        "enrichment": [_term(term, room) for term in room.items(record.get("enrichment") or [])],
        "alone": record["mode"] != "enrichment",
        "steps": _steps(record.get("steps") or [], room),
    }
    return {**view, "cut": room.cut}


def _genes(record: Record, room: Room) -> list[tuple[str, str]]:
    """The genes, and what was given but is none of their symbols, as pairs of heading and text."""
    genes, unknown = list(record["genes"]), list(record["unknown"])
    same = {*genes, *unknown, *record["ambiguous"], *record["duplicates"]}
    others = [name for name in record["given"] if name not in same]
    ambiguous = [f"{name} ({' or '.join(map(str, may[:6]))})" for name, may in record["ambiguous"].items()]
    pairs = [
        ("Genes", genes),
        ("By another name", others),
        ("Not recognised", unknown),
        ("Ambiguous", ambiguous),
        ("Given twice", record["duplicates"]),
    ]
    found = [(f"{title} ({len(names):,})", room.listed(names, GENES)) for title, names in pairs if names]
    return [*found, ("Species", room.text(record["species"], LINE))] if record["species"] else found


def _claim(claim: Record, room: Room) -> dict[str, Any]:
    decision = str(claim["decision"])
    return {
        "about": str(claim["about"]),
        "text": room.text(claim["text"], CLAIM),
        "decision": room.text(decision, 40),
        "sign": DECISIONS.get(decision, "?"),
        "kind": decision.replace(" ", "-") if decision in DECISIONS else "not-checked",
        "reason": room.text(claim["reason"], CLAIM),
        "evidence": [_finding(finding, room) for finding in room.items(claim["evidence"])],
    }


def _finding(finding: Record, room: Room) -> dict[str, Any]:
    asked = ", ".join(_argument(name, value) for name, value in (finding.get("arguments") or {}).items())
    return {
        "tool": room.text(finding["tool"], 100),
        "source": room.text(finding["source"] or finding["tool"], 300),
        "asked": room.text(asked, 200),
        "cached": bool(finding.get("cached")),
        "failure": room.text(finding["failure"], LINE),
        "lines": [room.text(line, LINE) for line in room.items(finding["lines"])],
    }


def _argument(name: str, value: object) -> str:
    """``gene TP53``, ``genes TP53, MDM2, CDKN1A and 9 more``."""
    if isinstance(value, list | tuple):
        shown = ", ".join(map(str, value[:3]))
        return f"{name} {shown}" + (f" and {len(value) - 3:,} more" if len(value) > 3 else "")
    return f"{name} {value}"


def _term(term: Record, room: Room) -> dict[str, Any]:
    overlap = list(term["overlap"])
    return {
        "id": room.text(term["id"], 100),
        "name": room.text(term["name"], 300),
        "source": room.text(term["source"], 100),
        "overlap": f"{len(overlap):,} of {term['size']:,}",
        "genes": room.listed(overlap, OVERLAP),
        "p": small(term["p"]),
        "q": small(term["q"]),
    }


def small(p: float | None) -> str:
    """A p-value of enrichment, where the exponent tells terms apart: ``.012``, ``2.3e-8``.

    >>> small(0.0123), small(0.00123), small(2.345e-8), small(0.0), small(None)
    ('.012', '.0012', '2.3e-8', '0', '-')
    """
    if p is None:
        return "-"
    if p == 0:
        return "0"
    rounded = float(f"{p:.2g}")
    return threshold(rounded) if rounded >= 0.001 else rate(rounded)


def _steps(steps: Sequence[Record], room: Room) -> list[dict[str, str]]:
    """Prompts and replies; all alike get what room is left, so that the last step can be read as the first can."""
    if not steps:
        return []
    share = max(room.left, 0) // (2 * len(steps))
    if share < LEAST:
        room.cut = True
        return []
    return [
        {
            "step": room.text(s["step"], 100),
            "prompt": room.text(s["prompt"], share),
            "reply": room.text(s["reply"], share),
        }
        for s in steps
    ]
