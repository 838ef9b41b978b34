"""What the moving parts of a page share: their names, their templates, and numbers as the script writes them too."""

from __future__ import annotations

import re
from typing import Any

from markupsafe import Markup

from counterpoise.report.environment import environment


def check_name(name: str) -> None:
    """Raise ValueError unless ``name`` can be the id of a part: lower-case letters, digits and hyphens."""
    if not re.fullmatch(r"[a-z][a-z0-9-]*", name):
        raise ValueError(f"{name!r} is no name of a part: lower-case letters, digits and hyphens")


def render(template: str, **values: Any) -> Markup:
    """Return a part of a page."""
    return Markup(environment().get_template(template).render(**values))


def rounded(number: float, digits: int) -> float | int:
    """Round for JSON: a whole number loses its ``.0``, and zero its sign."""
    found = round(number, digits)
    return int(found) if found == int(found) else found


def plain(value: float, decimals: int) -> str:
    """``1,234.500``, ``.050``, ``−.050``."""
    return re.sub(r"^(\N{MINUS SIGN}?)0\.", r"\1.", grouped(value, decimals))


def grouped(value: float, decimals: int) -> str:
    """``1,234.500``, ``0.050``, ``−0.050``."""
    return f"{value:,.{decimals}f}".replace("-", "\N{MINUS SIGN}")
