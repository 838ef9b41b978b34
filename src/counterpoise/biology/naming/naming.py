"""Name the processes of gene sets: by one prompt, by the cascade that checks every claim, or by enrichment alone.

    sets = read_gene_sets("clusters.gmt")
    records = name_gene_sets(sets, None, mode="enrichment")
    records = name_gene_sets(sets, LocalModel("smollm2-135m"), mode="direct", out=Path("names.jsonl"))
    records = name_gene_sets(sets, EndpointModel("http://localhost:8000"), mode="agent", toolbox=make_toolbox())

A record is a dict of plain JSON values, a set each (`naming.record`). With ``out`` records are appended as sets end,
and the same call goes on where an interrupted one stopped.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any, Literal, get_args

from counterpoise.biology.enrichment import Library
from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.identifiers import load_genes
from counterpoise.biology.naming.cascade import agent, direct
from counterpoise.biology.naming.case import Case, Limits
from counterpoise.biology.naming.chat import Chat, Subject, make_chat
from counterpoise.biology.naming.enriched import by_enrichment, libraries_of
from counterpoise.biology.naming.kept import NamingFile
from counterpoise.biology.naming.record import GeneList, limits_of, record_of, settings_of
from counterpoise.biology.naming.scheduler import Job, work
from counterpoise.biology.naming.steps import Steps
from counterpoise.biology.verification import Toolbox, make_toolbox
from counterpoise.errors import UserError, nearest

Mode = Literal["direct", "agent", "enrichment"]
Verifier = Literal["auto", "tools", "evidence"]
MODES: tuple[str, ...] = get_args(Mode)
GIVE_UP = 5
"""Sets in a row for which an endpoint cannot be reached, after which no further set is tried."""


def name_gene_sets(
    sets: Sequence[GeneSet],
    subject: Subject | Chat | None,
    *,
    mode: Mode,
    toolbox: Toolbox | None = None,
    masked_sources: Collection[str] = (),
    out: Path | None = None,
    overwrite: bool = False,
    on_progress: Callable[[str, int, int], None] | None = None,
    libraries: Sequence[Library] | None = None,
    background: Collection[str] | None = None,
    verifier: Verifier = "auto",
    **limits: Any,
) -> list[dict[str, Any]]:
    """Name gene sets; return a record each, in their order.

    Args:
        sets: with ids of their own; genes by any name that `identifiers` knows.
        subject: the model (`evaluation.subjects`, or a `Chat`); None in the mode enrichment.
        mode: direct, agent or enrichment.
        toolbox: what claims are checked with; default `make_toolbox()`, which needs no network. In the mode enrichment
            its libraries of processes and pathways are those that are tested.
        masked_sources: that nothing may look up, as in a benchmark whose answers come from them.
        out: file of records, a JSON line each; ``out`` with ``.settings.json`` behind its name keeps the settings.
        overwrite: forget what is in ``out``.
        on_progress: called with ("naming", sets done, sets in all) after each.
        libraries: for the mode enrichment; default those of ``toolbox``, else go-bp and wikipathways where not masked.
        background: approved symbols that the sets were drawn from, for the mode enrichment; default all of a library.
        verifier: how claims are checked: "tools" (the model calls them), "evidence" (it is shown what they say), or
            "auto": tools where the model can call them.
        limits: other values for `Limits`, such as ``claims=3``.

    Raises:
        UserError: an unknown mode or limit, no model or one too many, ids that repeat, no set with a gene that is
            known, a tool that can reach a masked source, records of other settings in ``out``, an endpoint that answers
            nobody or stopped answering. Records that were ready are kept in every case.
    """
    _check(sets, subject, mode, verifier)
    bounds = limits_of(limits)
    masked = frozenset(masked_sources) | (toolbox.masked_sources if toolbox is not None else frozenset())
    if mode == "agent" and toolbox is None:
        toolbox = make_toolbox(masked_sources=masked)
    if toolbox is not None:
        toolbox.check_masks(masked)
    tested = libraries_of(libraries, toolbox, masked) if mode == "enrichment" else []
    lists = [GeneList(one, load_genes().resolve(one.genes)) for one in sets]
    refused = {one.id: why for one in lists if (why := one.refusal(bounds))}
    if len(refused) == len(lists):
        others = " (and no other set can be named)" if len(lists) > 1 else ""
        raise UserError(f"{lists[0].id}: {refused[lists[0].id]}{others}")
    settings = settings_of(
        mode,
        subject,
        bounds,
        toolbox=toolbox if mode == "agent" else None,
        verifier=verifier,
        masked=masked,
        libraries=tested,
        background=background,
    )
    with ExitStack() as stack:
        file = None if out is None else stack.enter_context(NamingFile.open(out, settings, overwrite=overwrite))
        records = dict(file.done) if file is not None else {}
        _check_same_genes(lists, records, out)
        todo = [one for one in lists if one.id not in records]
        chat = make_chat(subject) if subject is not None and any(one.id not in refused for one in todo) else None
        model = "" if subject is None else settings["model"]["identity"]["model"]
        lost = 0
        for one, case, seconds in _results(todo, refused, bounds, mode, chat, toolbox, verifier, tested, background):
            record = record_of(one, case, mode=mode, model=model, seconds=seconds)
            records[one.id] = record
            if file is not None:
                file.append(record)
            if on_progress is not None:
                on_progress("naming", sum(each.id in records for each in lists), len(lists))
            lost = lost + 1 if case.ask_again else 0
            if lost == GIVE_UP:
                again = f"; {out} keeps what is done, and the same command goes on" if out is not None else ""
                raise UserError(f"{model} could not be reached for {lost} sets in a row ({case.missing[0]}){again}")
    return [records[one.id] for one in lists]


def _results(
    todo: Sequence[GeneList],
    refused: dict[str, str],
    bounds: Limits,
    mode: Mode,
    chat: Chat | None,
    toolbox: Toolbox | None,
    verifier: Verifier,
    libraries: Sequence[Library],
    background: Collection[str] | None,
) -> Iterator[tuple[GeneList, Case, float]]:
    """Yield (list, case, seconds), those first of which nothing is asked."""
    begun: dict[str, float] = {}
    for one in todo:
        if one.id in refused:
            case = Case(one.id, one.genes, bounds)
            case.lacks(refused[one.id])
            yield one, case, 0.0
    named = [one for one in todo if one.id not in refused]
    if chat is None:
        for one in named:
            start, case = time.perf_counter(), one.case(bounds)
            by_enrichment(case, libraries, background=background)
            yield one, case, time.perf_counter() - start
        return
    model = chat
    by_tools = verifier == "tools" or (verifier == "auto" and model.calls_tools)

    def job(one: GeneList) -> Job:
        def begin() -> tuple[Case, Steps[None]]:
            begun[one.id] = time.perf_counter()
            case = one.case(bounds, shows=True)
            if mode == "direct":
                return case, direct(case)
            assert toolbox is not None
            return case, agent(case, toolbox, model, by_tools=by_tools)

        return begin

    for number, case in work([job(one) for one in named], model, toolbox):
        yield named[number], case, time.perf_counter() - begun[named[number].id]


def _check(sets: Sequence[GeneSet], subject: object, mode: str, verifier: str) -> None:
    if mode not in MODES:
        raise UserError(f"naming mode is {mode!r}{nearest(mode, MODES)}; expected {', '.join(MODES)}")
    if (subject is None) != (mode == "enrichment"):
        wanted = "no model" if mode == "enrichment" else "a model"
        raise UserError(f"the naming mode {mode} takes {wanted}; expected direct or agent with a model, or enrichment")
    if verifier not in get_args(Verifier):
        raise UserError(f"verifier is {verifier!r}; expected {', '.join(get_args(Verifier))}")
    if not sets:
        raise UserError("there is no gene set to name; expected at least one")
    ids = [one.id for one in sets]
    if len(set(ids)) < len(ids):
        twice = next(name for name in ids if ids.count(name) > 1)
        raise UserError(f"{twice!r} is the id of two gene sets; expected each id once")


def _check_same_genes(lists: Sequence[GeneList], records: dict[str, dict[str, Any]], out: Path | None) -> None:
    """A record of an earlier run counts only for the set that it was made of."""
    for one in lists:
        if one.id in records and records[one.id]["given"] != list(one.given):
            advice = "choose another --out, or pass --overwrite"
            raise UserError(f"{out}: {one.id} was named there with other genes; {advice}")
