r"""Text that came from data, made fit to be shown: nothing in it is obeyed, and nothing in it is invisible.

>>> str(shown("a<b>\u202e"))
'a&lt;b&gt;<span class="control">U+202E</span>'
>>> spelled("a\x00b")
'a[U+0000]b'
>>> excerpt("one\n two  three", 10)
'one two t…'
>>> script_json({"a": "</script>"})
'{"a":"\\u003c/script\\u003e"}'

A control character is one that draws nothing and changes how its neighbours are read: C0 and C1, marks of direction,
zero-width spaces, tag characters. The joiners U+200C and U+200D are left alone: emoji and whole languages need them.
``components.js`` shows the same characters in the same way.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

from markupsafe import Markup, escape

CONTROLS = (
    "\\x00-\\x08\\x0b\\x0c\\x0e-\\x1f\\x7f-\\x9f\\u061c\\u200b\\u200e\\u200f\\u2028-\\u202e"
    "\\u2060-\\u2069\\ufeff\\ufff9-\\ufffb\\U000e0000-\\U000e007f"
)
_CONTROL = re.compile(f"([{CONTROLS}])")
_SURROGATE = re.compile("[\\ud800-\\udfff]")
_IN_SCRIPT = re.compile(f"[<>&{CONTROLS}]")
_SPACE = re.compile(r"[ \t\r\n]+")


def well_formed(text: str) -> str:
    """Replace what UTF-8 and HTML cannot hold, lone surrogates and NUL, by U+FFFD."""
    return _SURROGATE.sub("\ufffd", text).replace("\x00", "\ufffd")


def shown(text: object) -> Markup:
    """Return ``text`` as HTML: escaped, each control character as its code point in a small box."""
    return Markup("").join(
        Markup('<span class="control">{}</span>').format(part) if is_control else escape(part)
        for part, is_control in _parts(str(text))
    )


def spelled(text: object) -> str:
    """Return ``text`` for an attribute: each control character as ``[U+202E]``; Jinja escapes the rest."""
    return "".join(f"[{part}]" if is_control else part for part, is_control in _parts(str(text)))


def excerpt(text: object, length: int) -> str:
    """Return at most ``length`` characters of ``text`` on one line, ``…`` at the end where more was left out."""
    text = str(text)
    start = _SPACE.sub(" ", _SURROGATE.sub("\ufffd", text[: 4 * length])).strip()
    whole = len(start) <= length and len(text) <= 4 * length
    return start if whole else start[: length - 1].rstrip() + "…"


def script_json(value: Any) -> str:
    """Return ``value`` as JSON for a ``<script type="application/json">``: no ``<``, ``>``, ``&`` or raw control."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return _IN_SCRIPT.sub(_escaped, _SURROGATE.sub("\ufffd", text))


def _escaped(found: re.Match[str]) -> str:
    code = ord(found[0])
    return json.dumps(found[0])[1:-1] if code > 0xFFFF else f"\\u{code:04x}"


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    for i, part in enumerate(_CONTROL.split(_SURROGATE.sub("\ufffd", text))):
        if part:
            yield (f"U+{ord(part):04X}", True) if i % 2 else (part, False)
