"""What a verification tool is: a name, what it would ask, what it takes, and ``run``.

Write another tool as a class with these attributes; `Toolbox` checks the arguments before it calls ``run``. A tool says
what it takes by one of four words, from which its schema for function calling follows.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, Protocol

from counterpoise.biology.identifiers import load_genes
from counterpoise.biology.verification.finding import Finding, clean, listed

Takes = Literal["genes", "gene", "query", "genes and query"]
MOST_GENES = 2000
"""Genes in one call; larger sets have no process that could be named."""
QUERY_LENGTH = 300
"""Characters."""
_GENE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._@/:-]{0,39}")
_DESCRIBED: dict[str, dict[str, Any]] = {
    "genes": {
        "type": "array",
        "items": {"type": "string"},
        "description": "human gene symbols, such as TP53",
        "minItems": 1,
        "maxItems": MOST_GENES,
    },
    "gene": {"type": "string", "description": "one human gene symbol, such as TP53"},
    "query": {"type": "string", "description": "words to look up", "maxLength": QUERY_LENGTH},
}


class Tool(Protocol):
    """A source of facts that claims are checked against.

    Attributes:
        name: how a model calls it: letters, digits and underscores.
        description: for the model: what it knows and when to use it.
        sources: names of the sources that it would ask (see `sources.SOURCES`).
        takes: which of ``genes``, ``gene`` and ``query`` it is run with.
    """

    @property
    def name(self) -> str: ...

    @property
    def description(self) -> str: ...

    @property
    def sources(self) -> frozenset[str]: ...

    @property
    def takes(self) -> Takes: ...

    def schema(self) -> dict[str, Any]:
        """Return the tool as a function in the form of OpenAI's chat interface."""
        ...

    @property
    def run(self) -> Callable[..., Finding]:
        """Ask, with the arguments that `takes` names; what a service does never raises, it stands in ``failure``."""
        ...


def arguments_of(takes: Takes) -> tuple[str, ...]:
    """Return the names of a tool's arguments, all of them required.

    >>> arguments_of("genes and query")
    ('genes', 'query')
    """
    return tuple(takes.split(" and "))


def function_schema(name: str, description: str, takes: Takes, query: str = "") -> dict[str, Any]:
    """Return the schema for function calling; ``query`` says what the words to look up are."""
    names = arguments_of(takes)
    properties = {argument: dict(_DESCRIBED[argument]) for argument in names}
    if query:
        properties["query"]["description"] = query
    parameters = {
        "type": "object",
        "properties": properties,
        "required": list(names),
        "additionalProperties": False,
    }
    return {"type": "function", "function": {"name": name, "description": description, "parameters": parameters}}


class ArgumentProblem(ValueError):  # noqa: N818 - a model's mistake, not an error of ours
    """What is wrong with the arguments of a call, in a phrase."""


def check_arguments(takes: Takes, given: object) -> dict[str, Any]:
    """Return the arguments that a tool is run with.

    A model wrote them, so small slips are taken as they are meant: a list of genes may be one text parted by commas,
    semicolons or blanks. Genes are stripped and named once.

    Raises:
        ArgumentProblem: not an object, an argument missing, unknown, empty, of another type, or too long.
    """
    names = arguments_of(takes)
    if not isinstance(given, Mapping):
        raise ArgumentProblem(f"the arguments are no object; expected {' and '.join(names)}")
    strange = [str(key) for key in given if key not in names]
    missing = [name for name in names if name not in given]
    if strange or missing:
        wrong = f"{strange[0]!r} is no argument of it" if strange else f"{missing[0]} is missing"
        raise ArgumentProblem(f"{clean(wrong, 100)}; expected {' and '.join(names)}")
    checks = {"genes": _genes, "gene": _gene, "query": _query}
    return {name: checks[name](given[name]) for name in names}


def _genes(given: object) -> list[str]:
    names = re.split(r"[,;\s]+", given) if isinstance(given, str) else given
    if not isinstance(names, list | tuple) or not all(isinstance(name, str) for name in names):
        raise ArgumentProblem("genes is no list of texts; expected gene symbols")
    genes = list(dict.fromkeys(gene for name in names if (gene := clean(name, 40))))
    if not genes:
        raise ArgumentProblem("genes is empty; expected at least one gene symbol")
    if len(genes) > MOST_GENES:
        raise ArgumentProblem(f"genes holds {len(genes)} names; expected at most {MOST_GENES}")
    return genes


def _gene(given: object) -> str:
    gene = given.strip() if isinstance(given, str) else ""
    if not _GENE.fullmatch(gene):
        shown = clean(given if isinstance(given, str) else repr(given), 40)
        raise ArgumentProblem(f"gene is {shown!r}; expected one gene symbol, such as TP53")
    return gene


def _query(given: object) -> str:
    query = clean(given, QUERY_LENGTH)
    if not query:
        raise ArgumentProblem("query is empty or no text; expected words to look up")
    return query


def known_symbols(names: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the approved symbols of the names, and the names that are no human gene or might be several.

    >>> known_symbols(["p53", "nonsense", "OCT1"])
    (['TP53'], ['nonsense', 'OCT1 (POU2F1, SLC22A1)'])
    """
    found = load_genes().resolve(names)
    several = [f"{name} ({listed(symbols)})" for name, symbols in found.ambiguous.items()]
    return list(found.symbols), [*found.unknown, *several]
