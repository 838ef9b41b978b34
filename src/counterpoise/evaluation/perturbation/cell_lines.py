"""The cell lines of the screens: a name, and what a prompt says of it.

>>> cell_line_of("hs766t")
('Hs 766T', 'pancreatic carcinoma')
>>> cell_line_of("K-9999") is None
True
"""

from __future__ import annotations

import re

CELL_LINES = {
    "K562": "chronic myelogenous leukaemia",
    "RPE1": "immortalised retinal pigment epithelium",
    "HepG2": "hepatocellular carcinoma",
    "Jurkat": "T-cell acute lymphoblastic leukaemia",
    "C32": "amelanotic melanoma",
    "HOP62": "lung adenocarcinoma",
    "HepG2/C3A": "hepatocellular carcinoma",
    "Hs 766T": "pancreatic carcinoma",
    "PANC-1": "pancreatic ductal carcinoma",
}
"""Name -> origin: of PerturbQA (the first four) and of VCWorld's questions."""


def _key(name: str) -> str:
    return re.sub(r"[^a-z0-9]", "", name.casefold())


_BY_KEY = {_key(name): name for name in CELL_LINES}


def cell_line_of(name: str) -> tuple[str, str] | None:
    """Return a cell line's usual name and its origin, whatever its case and punctuation; None if it is unknown."""
    known = _BY_KEY.get(_key(name))
    return None if known is None else (known, CELL_LINES[known])
