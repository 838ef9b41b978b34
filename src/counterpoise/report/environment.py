"""What every page shares: the templates' environment, and a file that is written whole or not at all.

page = environment().get_template("demo.html.j2").render(...)
write_page(page, Path("report.html"))
"""

from __future__ import annotations

import functools
from importlib import resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from counterpoise.disk import replace_text, writing
from counterpoise.report import numbers, plots, prose
from counterpoise.report.safe_text import shown, spelled, well_formed


@functools.cache
def environment() -> jinja2.Environment:
    """Return the environment of all templates: it escapes, and a name that is not given is an error.

    Control characters of data are spelled out wherever a template forgot to ask for the small box of ``shown``.
    """
    made = jinja2.Environment(
        loader=jinja2.PackageLoader("counterpoise.report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        finalize=lambda value: spelled(value) if type(value) is str else value,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.filters |= {
        "typeset": lambda text: numbers.typeset(str(text)),
        "fraction": numbers.fraction,
        "percent": numbers.percent,
        "threshold": numbers.threshold,
        "rate": prose.rate_text,
        "level": plots.level,
        "visible": plots.visible,
        "shown": shown,
        "spelled": spelled,
    }
    return made


def style() -> Markup:
    """Return the style sheet that all pages share."""
    return Markup((resources.files("counterpoise.report") / "style.css").read_text(encoding="utf-8"))


def write_page(page: str, path: Path) -> None:
    """Write ``page`` to ``path``, whole or not at all; its folder is made if missing.

    Raises:
        UserError: ``path`` cannot be written, or the disk is full.
    """
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        replace_text(path, well_formed(page))
