"""What a verification tool found: facts with their source, or the reason why there are none.

    finding = toolbox.call("enrichment", {"genes": ["TP53", "MDM2", "CDKN1A"]})
    finding.lines, finding.source, finding.failure

An empty ``lines`` without a ``failure`` says that the source was asked and knows nothing; that is evidence too. Text of
services and files is never trusted: `clean` makes one short line without control characters of it.
"""

from __future__ import annotations

import html
import re
import unicodedata
from dataclasses import asdict, dataclass, field
from typing import Any

LINE_LENGTH = 400
"""Characters; a longer line of a source is clipped."""
_TAGS = re.compile(r"</?(?:i|b|u|em|strong|sub|sup|m|mark|scp)>", re.IGNORECASE)


@dataclass(frozen=True)
class Finding:
    """The answer to one call of one tool.

    Attributes:
        tool: name of the tool.
        source: what was asked, with its version or the date of asking.
        arguments: what it was asked about; ``unrecognised`` lists names that are no human gene known here.
        lines: facts as short sentences, best first; empty if the source knows nothing.
        terms: (id, name) of enriched or matching terms, best first.
        failure: one sentence why the tool gave nothing; empty if it did its work.
        cached: the answer comes from the cache on disk.
    """

    tool: str
    source: str = ""
    arguments: dict[str, Any] = field(default_factory=dict)
    lines: tuple[str, ...] = ()
    terms: tuple[tuple[str, str], ...] = ()
    failure: str = ""
    cached: bool = False

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values."""
        return {**asdict(self), "lines": list(self.lines), "terms": [list(term) for term in self.terms]}

    @classmethod
    def from_dict(cls, found: dict[str, Any]) -> Finding:
        """Return the finding that `as_dict` described."""
        terms = tuple((str(i), str(name)) for i, name in found["terms"])
        return cls(**{**found, "lines": tuple(found["lines"]), "terms": terms})

    def as_text(self) -> str:
        """Return the finding as text for a prompt or a page: the source, then a line a fact."""
        head = f"{self.tool} ({self.source})" if self.source else self.tool
        if self.failure:
            return f"{head}: failed: {self.failure}"
        lines = list(self.lines) or ["nothing found"]
        if missing := self.arguments.get("unrecognised"):
            lines.append(f"not recognised as human genes: {', '.join(missing)}")
        return "\n".join([f"{head}:", *(f"- {line}" for line in lines)])


def clean(text: object, limit: int = LINE_LENGTH) -> str:
    """Return foreign text as one line of at most ``limit`` characters.

    Control, format (direction marks, zero-width) and private characters go, white space becomes single blanks, entities
    are decoded and the tags of italics and the like are taken out. What is no text gives an empty string.

    >>> clean("The <i>TP53</i>\\n gene &amp; its\\x07 kin")
    'The TP53 gene & its kin'
    """
    if not isinstance(text, str):
        return ""
    plain = _TAGS.sub("", html.unescape(text[: 4 * limit]))
    kept = "".join(" " if c.isspace() else c for c in plain if c.isspace() or unicodedata.category(c)[0] != "C")
    line = " ".join(kept.split())
    return line if len(line) <= limit else line[: limit - 3].rstrip() + "..."


def listed(names: tuple[str, ...] | list[str], most: int = 12) -> str:
    """Return names in one phrase, the count of those beyond ``most`` in place of them.

    >>> listed(["A", "B", "C"], most=2)
    'A, B and 1 more'
    """
    shown = ", ".join(names[:most])
    return shown if len(names) <= most else f"{shown} and {len(names) - most} more"
