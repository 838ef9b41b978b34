"""The record of a named gene set, and what a run's records depend on.

A record holds ``id``; of the input ``given``, ``genes`` (approved symbols), ``unknown``, ``ambiguous``, ``duplicates``,
``species``; ``mode`` and ``model``; the result ``name`` ("" if none could be had), ``confidence``, ``confidence_bin``,
``analysis``; of the agent ``first_name`` and ``claims``; of enrichment its best terms; ``steps`` (every prompt and
reply), ``problems`` (in sentences, what makes it incomplete first), ``complete``, ``ask_again`` (the model could not be
reached, so a further run asks again), ``seconds`` and ``versions`` (tool or source -> version).
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from counterpoise.biology.enrichment import Library
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.identifiers import Resolution
from counterpoise.biology.naming.case import Case, Limits
from counterpoise.biology.naming.confidence import confidence_bin
from counterpoise.biology.naming.prompt import prompts_hash
from counterpoise.biology.verification import Toolbox
from counterpoise.errors import UserError, nearest


@dataclass(frozen=True)
class GeneList:
    """A gene set as it was given, and what its names stand for."""

    set: GeneSet
    resolved: Resolution

    @property
    def id(self) -> str:
        return self.set.id

    @property
    def given(self) -> tuple[str, ...]:
        return self.set.genes

    @property
    def genes(self) -> tuple[str, ...]:
        return self.resolved.symbols

    def refusal(self, limits: Limits) -> str:
        """Say why nothing is asked about this set; empty if it can be named."""
        if not self.given:
            return "the set is empty; expected at least one gene"
        if not self.genes:
            some = ", ".join(list(dict.fromkeys(self.given))[:5])
            return f"none of its {len(self.given)} names is a human gene that is known here ({some}); expected symbols"
        if len(self.genes) > limits.genes:
            return (
                f"the set has {len(self.genes):,} genes, more than the {limits.genes:,} that are taken: so many share "
                "no process that could be named; give a smaller set, or another limit"
            )
        return ""

    def case(self, limits: Limits, *, shows: bool = False) -> Case:
        """Begin a case; ``shows``: a model is shown the genes, as many as the limit allows."""
        case = Case(self.id, self.genes, limits)
        if len(self.genes) == 1:
            case.tell("the set has a single gene: what is named is what this gene does, not what several share")
        if shows and len(self.genes) > limits.genes_shown:
            case.tell(f"the model was shown the first {limits.genes_shown} of {len(self.genes)} genes")
        return case


def record_of(one: GeneList, case: Case, *, mode: str, model: str, seconds: float) -> dict[str, Any]:
    """Return the record of a set, of plain JSON values."""
    found = one.resolved
    return {
        "id": one.id,
        "given": list(one.given),
        "genes": list(found.symbols),
        "unknown": list(found.unknown),
        "ambiguous": {name: list(symbols) for name, symbols in found.ambiguous.items()},
        "duplicates": list(found.duplicates),
        "species": found.species,
        "mode": mode,
        "model": model,
        "name": case.name,
        "confidence": case.confidence,
        "confidence_bin": confidence_bin(case.confidence),
        "analysis": case.analysis,
        "first_name": case.first_name,
        "claims": [claim.as_dict() for claim in case.claims],
        "enrichment": case.enrichment,
        "steps": case.steps,
        "problems": [*case.missing, *case.problems],
        "complete": not case.missing,
        "ask_again": case.ask_again,
        "seconds": round(seconds, 3),
        "versions": dict(sorted(case.versions.items())),
    }


def limits_of(given: dict[str, Any]) -> Limits:
    """Return the limits with the values given.

    Raises:
        UserError: no such limit, or a value that is no whole number above 0 (``retries``: from 0).
    """
    names = [field.name for field in fields(Limits)]
    for name, value in given.items():
        if name not in names:
            choices = ", ".join(names)
            raise UserError(f"naming has no setting {name!r}{nearest(name, names)}; expected some of {choices}")
        least = 0 if name == "retries" else 1
        if not isinstance(value, int) or isinstance(value, bool) or value < least:
            raise UserError(f"naming: {name} is {value!r}; expected a whole number from {least}")
    return Limits(**given)


def settings_of(
    mode: str,
    subject: Any,
    limits: Limits,
    *,
    toolbox: Toolbox | None,
    verifier: str,
    masked: Collection[str],
    libraries: Sequence[Library],
    background: Collection[str] | None,
) -> dict[str, Any]:
    """Return what the records depend on: another run may add to a file only if all of this is the same."""
    settings: dict[str, Any] = {"mode": mode, "masked_sources": sorted(masked)}
    if mode == "enrichment":
        settings["libraries"] = [[library.name, len(library.terms), len(library.genes)] for library in libraries]
        digest = hashlib.sha256("\n".join(sorted(background or ())).encode()).hexdigest()[:16]
        settings["background"] = None if background is None else digest
        return settings | {"most_genes": limits.genes}
    told = subject.settings() if hasattr(subject, "settings") else {"identity": {"model": subject.name}}
    settings |= {"model": told, "prompts": prompts_hash(), "limits": asdict(limits)}
    if toolbox is not None:
        settings |= {"tools": {tool.name: sorted(tool.sources) for tool in toolbox.tools}, "verifier": verifier}
    return settings
