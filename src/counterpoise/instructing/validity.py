"""Is a record by itself fit to be learned from? Category, lengths, language, repetition, blanks, refusals.

>>> known = category_names(["question answering"])
>>> problem_of(Record("Question answering", "Which organ makes insulin?", "", "The pancreas."), known)
>>> problem_of(Record("question answering", "Which organ makes insulin?", "", "As an AI model, I cannot say."), known)
('refusal', 'As an AI')
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping

from counterpoise.data.contamination import words
from counterpoise.data.languages import other_languages, stop_words
from counterpoise.instructing.record import LABELS, Record

LENGTHS = {"instruction": (3, 150), "input": (0, 600), "output": (1, 600)}
"""Words that each part has at least and at most; Self-Instruct takes instructions of 4 to 150 words."""
NOT_LATIN = 0.2
"""Share of letters above which a text is in another script; Greek letters of formulas and genes are fewer."""
SENTENCE = 6
"""Words of an instruction from which on its function words tell its language."""
LONG_SENTENCE = 12
"""Words of an instruction from which on some are function words, whatever it is about."""
OF_ANOTHER_LANGUAGE = 0.15
"""Share of another language's function words above which a text is in it, if English ones are fewer."""
LOOP = 3
"""Words of a run whose repetition counts, and from how many times in a row on."""
REPEATED = 0.35
"""Share of runs of three words that have been before, above which a text goes round in circles."""
LONG = 24
"""Words below which that share says nothing."""

_REFUSAL = re.compile(
    r"(?:^|[.!\n]\s*)(?:i[' ]?a?m (?:very |so |really )?(?:sorry(?! to hear| that you| for your)|unable to|not able to)"
    r"|sorry,|i apologi[sz]e|unfortunately, i |i (?:can(?:not|'?t| not)|could not|am not allowed to) "
    r"(?:help|assist|answer|provide|give|fulfil|generate|create|write|do|comply|determine|see|access))"
    r"|\byou are an? (?:helpful )?(?:ai|assistant)\b"
    r"|\bas an? (?:ai|artificial intelligence|(?:large )?language model)\b"
    r"|\bi(?: a|')m (?:just |only )?an? (?:ai|large language)\b"
    r"|\blet me know if|\bi hope this helps|\bfeel free to (?:ask|reach|contact)|^(?:sure|certainly|of course)[,!]",
    re.IGNORECASE,
)
_BLANK = re.compile(
    r"\[(?:insert|your|name|patient|date|enter|add|fill|list|describe|provide|specify|text|placeholder|input|output|"
    r"example|answer|drug|disease|gene|condition|symptoms?|age)\b[^\]]*\]"
    r"|<(?:insert|your|name|patient|date|enter|text|input|output|answer|blank|fill)\b[^>]*>"
    r"|\{\w+\}|\blorem ipsum\b|\b(?:TODO|TBD|XXX+)\b|\.\.\.\s*$|^\W*(?:to be filled in|to be determined)\W*$",
    re.IGNORECASE | re.MULTILINE,
)
_ABOUT_EXERCISE = re.compile(
    r"\bhere (?:is|are) (?:(?:the|a|an|one|two|three|some|another|more|new|next|first|second|\d+) ){0,3}"
    r"(?:record|exercise)s?\b"
    r"|\b(?:this|each|the (?:next|first|second|following)) (?:record|exercise) "
    r"(?:will|is (?:in|about|an?)|should|must)\b"
    r"|\b(?:write|generate|create|make) (?:(?:a|an|one|two|another|more|new|\d+) ){1,3}(?:records|exercises?)\b"
    r"|\bfour labels\b",
    re.IGNORECASE,
)
_NOT_TEXT = re.compile(
    r"\b(?:the|this|these|following|attached|shown|given|accompanying) "
    r"(?:image|picture|photo(?:graph)?|graph|diagram|video|audio|recording)s?\b"
    r"|\b(?:this|following|attached|accompanying) (?:figure|chart|link|file|website|web ?page|url|attachment)s?\b"
    r"(?! (?:note|entry|review))"
    r"|\b(?:draw|sketch|plot) (?:a|an|the)\b(?! (?:conclusion|distinction|comparison|parallel|inference))"
    r"|\bsearch the (?:web|internet)\b|https?://|\bwww\.",
    re.IGNORECASE,
)

_NEEDS_INPUT = re.compile(
    r"\b(?:the|this|these|following|given)(?: following| given)? "
    r"(?:text|passage|paragraph|note|abstract|conversation|dialogue|report|message|excerpt|options|table|sentences?|"
    r"statements?)\b|\bof (?:the following|these)\b",
    re.IGNORECASE,
)


def category_names(categories: Iterable[str]) -> dict[str, str]:
    """Return how categories are looked up: their letters and digits in lower case -> the category."""
    return {" ".join(words(category)): category for category in categories}


def problem_of(record: Record, categories: Mapping[str, str], *, any_language: bool = False) -> tuple[str, str] | None:
    """Return why a record is no good, one of `reasons.REASONS` and what is meant; None for a good one.

    Args:
        record: the record.
        categories: see `category_names`.
        any_language: take records that are not in English.
    """
    if " ".join(words(record.category)) not in categories:
        return "category", record.category[:60]
    for label, (least, most) in LENGTHS.items():
        count = len(getattr(record, label).split())
        if not least <= count <= most:
            return "length", f"{label} of {count:,} words; expected {least} to {most}"
    foreign = None if any_language else _other_language(record)
    if foreign:
        return "language", foreign
    again = _repetition(record)
    if again:
        return "repetition", again
    for text in (record.instruction, record.input, record.output):
        if found := _BLANK.search(text):
            return "placeholder", found[0].strip()[:60]
    if found := _REFUSAL.search(record.output.replace("\N{RIGHT SINGLE QUOTATION MARK}", "'")):
        return "refusal", found[0].strip(" .\n!")[:60]
    for text in (record.instruction, record.input, record.output):
        if found := _ABOUT_EXERCISE.search(text):
            return "about the exercise", found[0][:60]
    if found := _NOT_TEXT.search(record.instruction):
        return "not text", found[0][:60]
    found = _NEEDS_INPUT.search(record.instruction)
    if found and not record.input and not re.search(r"[:\n]", record.instruction[found.end() :]):
        return "no input", found[0]  # behind a colon or a line break it would stand in the instruction itself
    return None


def _other_language(record: Record) -> str:
    """Say in which other script or language a record is; empty for English, and for what cannot be told."""
    for label in LABELS[1:]:
        text = getattr(record, label)
        letters = [] if text.isascii() else [letter for letter in text if letter.isalpha()]
        other = sum(not (x.isascii() or unicodedata.name(x, "").startswith("LATIN")) for x in letters)
        if letters and other > NOT_LATIN * len(letters):
            return f"{label} in another script"
    found = words(record.instruction)
    if len(found) >= SENTENCE:
        english = sum(word in stop_words() for word in found)
        for language, own in other_languages().items():
            count = sum(word in own for word in found)
            if count > english and count > OF_ANOTHER_LANGUAGE * len(found):
                return language
        if not english and len(found) >= LONG_SENTENCE:
            return "an instruction without English function words"
    return ""


def _repetition(record: Record) -> str:
    """Say what a record repeats; empty if nothing."""
    output = words(record.output)
    if len(output) >= LOOP and output in (words(record.instruction), words(record.input)):
        return "the output is what was asked"
    asked = words(record.instruction)
    if len(asked) >= LOOP and any(output[i : i + len(asked)] == asked for i in range(len(output) - len(asked) + 1)):
        return "the output holds the whole instruction"
    for label in LABELS[1:]:
        found = words(getattr(record, label))
        loop = _loop(found)
        if loop:
            return f"{label}: {loop} ..."
        runs = [tuple(found[i : i + LOOP]) for i in range(len(found) - LOOP + 1)]
        if len(found) >= LONG and len(set(runs)) < (1 - REPEATED) * len(runs):
            return f"{label}: {1 - len(set(runs)) / len(runs):.0%} of its runs of {LOOP} words have been before"
    return ""


def _loop(found: list[str]) -> str:
    """Return a run of words that stands `LOOP` + 1 times in a row; empty if there is none. Runs of up to 8 words."""
    for size in range(1, 9):
        same = 0  # words that equal the one ``size`` before
        for i in range(size, len(found)):
            same = same + 1 if found[i] == found[i - size] else 0
            if same == size * LOOP:
                return " ".join(found[i - size + 1 : i + 1])
    return ""
