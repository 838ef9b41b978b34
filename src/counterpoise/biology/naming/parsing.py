"""Read what a model wrote: a name and its confidence, a list of claims, a decision. Tolerant, and bounded in length.

>>> parse_answer("**Process: Mitotic spindle assembly (92%)**\\n\\nTPX2 and AURKA ...")
Answer(name='Mitotic spindle assembly', confidence=0.92, analysis='TPX2 and AURKA ...')
>>> parse_claims('Here you are: ["Most genes act in mitosis.", "They bind microtubules."]', most=6)
('Most genes act in mitosis.', 'They bind microtubules.')
>>> parse_decision("Decision: partially supported\\nReason: only two genes are annotated.")
('partly', 'only two genes are annotated.')

Nothing is executed, and nothing is trusted: control characters go, and lengths are clipped.
"""

from __future__ import annotations

import json
import re
import unicodedata
from typing import Literal, NamedTuple

Decision = Literal["supported", "partly", "refuted", "not checked"]

UNRELATED = "System of unrelated proteins"
"""The name of genes that share no process; its confidence is 0."""
LONGEST_NAME, LONGEST_ANALYSIS, LONGEST_CLAIM = 200, 8000, 400  # characters
MOST_WORDS = 10  # of a name without its label
LONGEST_LINE = 1000  # characters in which a name or a decision is looked for: patterns on long lines take long
NEAR_THE_TOP = 12  # lines in which a name is looked for

_PROCESS = re.compile(
    r"^[\s>#*_`\"'(\[-]*(?:\d+[.)]\s*)?[*_`\"']*process(?:\s+name)?[\s*_`\"']*[:\uff1a](?P<rest>.*)$", re.I
)
_CONFIDENCE_LINE = re.compile(r"^[\s>#*_-]*confidence(?:\s+(?:score|level))?\b(?P<rest>.*)$", re.I)
_BEHIND = re.compile(r"[\s,;.–—-]+confidence(?:\s+(?:score|level))?\b(?P<rest>[^()\[\]]*)$", re.I)
_IN_BRACKETS = re.compile(r"[(\[<{]\s*(?P<inner>[^()\[\]<>{}]*?)\s*(?P<closed>[)\]>}]+)?[\s.*_`\"']*$")
_BARE = re.compile(r"\s+[-–—:|]\s*(?P<rest>\d?\.\d+|\d{1,3}\s*%)$|,\s*(?P<listed>0?\.\d+)$")
_NUMBER = re.compile(
    r"(?<![\w.-])(?P<number>\d+(?:[.,]\d+)?|\.\d+)\s*(?P<unit>%|percent\b|/\s*100?\b|out of 100?\b)?", re.I
)
_LEVEL = re.compile(r"(?:very\s+)?(?:high|medium|moderate|low)(?:\s+confidence)?", re.I)
_PLACEHOLDER = re.compile(
    r"\W*(?:(?:the|a|an|brief|short|specific|your)\s+)*(?:process\s+)?name(?:\s+of\s+.*)?\W*", re.I
)
_UNRELATED = re.compile(
    r"\bunrelated\b.*\b(?:proteins?|genes?)\b|\b(?:proteins?|genes?)\b.*\bunrelated\b"
    r"|^no\s+(?:common|shared|single|clear|coherent|specific|significant|known|obvious|apparent|one|biological)\b"
    r"|^\W*(?:none|unknown|n/?a|not applicable)\W*$",
    re.I,
)
_ITEM = re.compile(r"^\s*(?:[-*•–]|\(?\d{1,2}[.):])\s+(?P<text>.+)$")
_QUOTED = re.compile(r'"((?:[^"\\]|\\.)*)"')
_DECISION = re.compile(
    r"(?P<refuted>\b(?:not|un|never)[\s-]*supported\b|\brefuted?\b|\bcontradict\w*)"
    r"|(?P<partly>\bpart(?:ly|ial|ially)\b(?:[\s-]+supported\b)?)"
    r"|(?P<undecided>\bnot\s+(?:checked|known|clear)\b|\bun(?:checked|known|clear|certain)\b|\binsufficient\b)"
    r"|(?P<supported>\bsupported\b)",
    re.I,
)

_SENTENCE = re.compile(
    r"(?:the|this|their)\s+(?:most\s+\w+\s+|common\s+|shared\s+|biological\s+|main\s+)*process\b[^.:]{0,100}?\bis\s+"
    r"(?:called\s+|named\s+|known\s+as\s+|likely\s+|probably\s+)?(?:(?:that|the\s+process)\s+of\s+|the\s+)?"
    r"(?!(?:an?|not|one|described|involved|also|very)\b)(?P<name>(?:[^.;,]|\.\d)+?)\s*(?:[.;,](?!\d)|$)",
    re.I,
)
_MENU = re.compile(r"supported\W+(?:partly|partially)\b.*\brefuted", re.I)  # what there is to choose from, repeated


class Answer(NamedTuple):
    """A name ("" if none was found), its confidence from 0 to 1 (None if none was given), and the analysis."""

    name: str
    confidence: float | None
    analysis: str


def parse_answer(text: str) -> Answer:
    """Read an answer whose first line should be ``Process: <name> (<confidence>)``.

    The line is found anywhere in the first dozen, with or without bold, brackets or a list number, its confidence as a
    number, a percentage or of ten, behind the name or on a line of its own. Without it, a first line that is a name and
    a confidence is taken, or one that says in a sentence that the process is this or that. An answer that says that the
    genes are unrelated gets the name `UNRELATED` and confidence 0. Otherwise the name is empty, and the analysis is all
    of the text.
    """
    lines = clean(text).splitlines()
    filled = [i for i, line in enumerate(lines) if line.strip()][:NEAR_THE_TOP]
    found = next(((i, match["rest"]) for i in filled if (match := _PROCESS.match(lines[i][:LONGEST_LINE]))), None)
    if found is None and filled:
        found = _unlabelled(lines, filled[0])
    if found is None:
        return Answer("", None, clip("\n".join(lines).strip(), LONGEST_ANALYSIS))
    at, rest = found
    before, after = lines[:at], lines[at + 1 :]
    while not rest.strip(" *_`\"'") and after:  # the name stands below its label
        rest, after = after[0][:LONGEST_LINE], after[1:]
    name, confidence = _name_and_confidence(rest)
    if confidence is None:
        confidence, after = _own_line(after)
    analysis = _analysis(after) or _analysis(before)
    if _UNRELATED.search(name):
        name, confidence = UNRELATED, 0.0
    return Answer(name, confidence if name else None, analysis)


def parse_claims(text: str, most: int) -> tuple[str, ...]:
    """Return at most ``most`` claims: of a JSON list (also a broken one), else of list lines, else the sentences."""
    text = clean(text)
    claims: dict[str, None] = {}
    for found in _json_claims(text) or _listed(text) or _sentences(text):
        claim = clip(" ".join(found.split()).strip(" \"'`*"), LONGEST_CLAIM)
        if len(re.findall(r"\w{2,}", claim)) >= 3:  # fewer words claim nothing
            claims.setdefault(claim)
    return tuple(claims)[:most]


def parse_decision(text: str) -> tuple[Decision, str] | None:
    """Return (decision, reason) of a verifier's answer; None if it takes none.

    The decision is looked for behind the word Decision, or where that is missing in a first line of few words.
    """
    text = clean(text).strip()
    label = re.search(r"decision\W*", text, re.I)
    line = text[label.end() :] if label else text
    line, _, rest = line.partition("\n")
    line = line[:LONGEST_LINE]
    if _MENU.search(line) or (not label and len(line.split()) > 6):
        return None
    found = _DECISION.search(line)
    if found is None:
        return None
    reason = rest if rest.strip() else line[found.end() :]
    reason = re.sub(r"^\W*reason\W*", "", reason.strip(), flags=re.I).strip(" *_-–:;,.\n")
    decision = found.lastgroup
    kinds: dict[str | None, Decision] = {"supported": "supported", "partly": "partly", "refuted": "refuted"}
    reason = clip(" ".join(reason.split()), LONGEST_CLAIM * 2)
    return kinds.get(decision, "not checked"), reason + "." if reason and reason[-1].isalnum() else reason


def clean(text: str, longest: int = 50_000) -> str:
    """Return text without control, formatting and surrogate characters (line breaks and tabs stay), clipped."""
    text = text[:longest].replace("\r\n", "\n").replace("\r", "\n").replace("\u2028", "\n").replace("\u2029", "\n")
    return "".join(c for c in text if c in "\n\t" or unicodedata.category(c) not in ("Cc", "Cf", "Cs", "Co"))


def clip(text: str, longest: int) -> str:
    """Return text of at most ``longest`` characters; an ellipsis stands where it was cut."""
    return text if len(text) <= longest else text[: longest - 1].rstrip() + "…"


def _unlabelled(lines: list[str], first: int) -> tuple[int, str] | None:
    """Find a name without its label in the first line: ``Mitosis (0.9)``, or ``The process ... is mitosis.``"""
    line = lines[first][:LONGEST_LINE].strip()
    if (sentence := _SENTENCE.match(line)) and len(sentence["name"].split()) <= MOST_WORDS:
        lines.insert(first + 1, line)  # the sentence belongs to the analysis
        return first, sentence["name"]
    bracket = _IN_BRACKETS.search(line)
    if bracket and bracket["closed"] and len(line[: bracket.start()].split()) <= MOST_WORDS:
        stated = _confidence_in(bracket["inner"])
        return (first, line) if stated and stated[0] is not None else None
    return None


def _name_and_confidence(text: str) -> tuple[str, float | None]:
    """Part ``Mitosis (0.9)`` into its name and its confidence."""
    text, confidence = text.strip(" \t*_`\"'"), None
    bracket, behind = _IN_BRACKETS.search(text), _BEHIND.search(text) or _BARE.search(text)
    if bracket and bracket.start() and (stated := _confidence_in(bracket["inner"])):
        text = text[: bracket.start()]
        is_whole = bracket["closed"] or "." in bracket["inner"]  # an answer may end within a number: (0
        confidence = stated[0] if is_whole else None
    elif behind:
        text, confidence = text[: behind.start()], _number(text[behind.start() :])
    text = text.strip(" \t*_`\"'.,;:–—-").rstrip("([{< ")
    if len(text) > 2 and text[0] + text[-1] in ("<>", "[]", "()", "{}") and text[0] not in text[1:]:
        text = text[1:-1].strip()
    name = " ".join(text.split())
    if _PLACEHOLDER.fullmatch(name) or not re.search(r"[^\W\d_]{2}", name):
        return "", None
    return clip(name, LONGEST_NAME), confidence


def _confidence_in(text: str) -> tuple[float | None] | None:
    """Return (confidence,) if the text in brackets states one, with None for a word; None if it is something else."""
    bare = re.sub(r"\b(?:confidence|confident|score|level|is|of|about)\b|[:=~≈*_]", " ", text, flags=re.I).strip()
    if (number := _NUMBER.fullmatch(bare)) is not None:
        return (_value(number),)
    if _LEVEL.fullmatch(bare) or "confiden" in text.lower():
        return (_number(text),)
    return None


def _number(text: str) -> float | None:
    found = _NUMBER.search(text)
    return _value(found) if found else None


def _value(found: re.Match[str]) -> float | None:
    """Return a number as a share; a whole number above 1 without a unit is a percentage, 1.2 is nothing."""
    number, unit = float(found["number"].replace(",", ".")), (found["unit"] or "").lower()
    if unit.startswith(("/", "out")) and not unit.endswith("100"):
        number /= 10
    elif unit or (number > 1 and number == int(number)):
        number /= 100
    return number if number <= 1 else None


def _own_line(lines: list[str]) -> tuple[float | None, list[str]]:
    """Take a line such as ``Confidence: 0.9`` out of the first three that are not empty."""
    for i in [i for i, line in enumerate(lines) if line.strip()][:3]:
        if (match := _CONFIDENCE_LINE.match(lines[i][:LONGEST_LINE])) and (value := _number(match["rest"])) is not None:
            return value, lines[:i] + lines[i + 1 :]
    return None, lines


def _analysis(lines: list[str]) -> str:
    text = re.sub(r"^[\s*_#]*analysis[\s*_]*:[\s*_]*", "", "\n".join(lines).strip(), flags=re.I)
    return clip(text, LONGEST_ANALYSIS)


def _json_claims(text: str) -> list[str]:
    start = text.find("[")
    if start < 0:
        return []
    try:
        found, _ = json.JSONDecoder().raw_decode(text[start:])
    except (ValueError, RecursionError):  # cut short, or a comma too many: what is quoted is taken
        return [quoted for quoted in _QUOTED.findall(text[start:]) if quoted not in ("claim", "text")]
    claims = []
    for item in found:
        if isinstance(item, dict):
            item = next((item[key] for key in ("claim", "text", "statement") if key in item), None)
        if isinstance(item, str):
            claims.append(item)
    return claims


def _listed(text: str) -> list[str]:
    return [match["text"] for line in text.splitlines() if (match := _ITEM.match(line))]


def _sentences(text: str) -> list[str]:
    return [sentence for sentence in re.split(r"(?<=[.!?])\s+|\n+", text) if sentence.rstrip().endswith((".", "!"))]
