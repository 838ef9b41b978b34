"""Which tools a run has: local and online, with or without a network, minus what a benchmark masks.

make_toolbox()                                             # local tools, no network
make_toolbox(gmt=["my_sets.gmt"])                          # the enrichment tests these sets too
make_toolbox(offline=False, masked_sources=["go-bp"])      # all tools, none of which asks GO processes
"""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

from counterpoise.biology.enrichment import LIBRARIES, Library, load_library
from counterpoise.biology.verification.cache import Cache, default_folder
from counterpoise.biology.verification.client import ServiceClient
from counterpoise.biology.verification.finding import listed
from counterpoise.biology.verification.local import Enrichment, GeneAnnotations, SharedProcesses
from counterpoise.biology.verification.online import MAX_AGE_DAYS, OnlineTool
from counterpoise.biology.verification.services import enrichr, gprofiler, ncbi, pubtator
from counterpoise.biology.verification.sources import check_names, sources_of
from counterpoise.biology.verification.tool import Tool
from counterpoise.biology.verification.toolbox import Toolbox
from counterpoise.errors import UserError, nearest

LOCAL = ("gene_annotations", "enrichment", "shared_processes")
ONLINE: Mapping[str, type[OnlineTool]] = {
    tool.name: tool
    for tool in (
        gprofiler.GProfiler,
        enrichr.Enrichr,
        ncbi.NCBIGene,
        ncbi.PubMed,
        pubtator.PubTatorRelations,
        pubtator.PubTatorSearch,
    )
}
TOOLS = (*LOCAL, *ONLINE)
"""Names of all tools, in the order in which a toolbox holds them."""
ADDRESSES = {
    "gprofiler": gprofiler.ADDRESS,
    "enrichr": enrichr.ADDRESS,
    "eutils": ncbi.ADDRESS,
    "pubtator": pubtator.ADDRESS,
}
"""Service -> its address; another one (a mirror, an archive of g:Profiler) may be given to `make_toolbox`."""
PACES = {
    "gprofiler": gprofiler.PER_SECOND,
    "enrichr": enrichr.PER_SECOND,
    "eutils": ncbi.PER_SECOND,
    "pubtator": pubtator.PER_SECOND,
}
"""Service -> requests a second."""


def make_toolbox(
    names: Sequence[str] | None = None,
    *,
    offline: bool = True,
    masked_sources: Collection[str] = (),
    cache: Path | None = None,
    gmt: Sequence[Path | str] = (),
    top: int = 5,
    timeout: float = 30.0,
    retries: int = 3,
    max_age_days: float = MAX_AGE_DAYS,
    email: str = "",
    addresses: Mapping[str, str] | None = None,
) -> Toolbox:
    """Return the tools that this run may use.

    Args:
        names: some of `TOOLS`; None for all of them.
        offline: send nothing. An online tool answers from the cache, and is left out if that holds none of its answers.
        masked_sources: sources that must not be asked (see `sources`). A tool asks those that are left; with none left
            it is left out. A gmt file that shows a masked source is left out of the enrichment as a whole.
        cache: folder of kept answers; None for ``verification`` in the user cache.
        gmt: files of gene sets that the enrichment tests besides; a file is a source of its own name.
        top: facts at most, of each source.
        timeout: seconds without a byte from a service. retries: attempts after the first.
        max_age_days: age from which a kept answer is asked for again (not when offline).
        email: told to NCBI, as it asks of those who send many requests.
        addresses: service -> address, for some of `ADDRESSES`.

    Raises:
        UserError: an unknown tool, mask, service, or two gmt files of one name; a gmt file that cannot be read.
    """
    wanted = TOOLS if names is None else tuple(dict.fromkeys(names))
    for name in wanted:
        if name not in TOOLS:
            raise UserError(
                f"there is no verification tool {name!r}{nearest(name, TOOLS)}; expected some of {', '.join(TOOLS)}"
            )
    if top < 1 or timeout <= 0 or retries < 0:
        raise UserError(
            f"top is {top}, timeout {timeout}, retries {retries}; expected at least 1, above 0 and at least 0"
        )
    files = _libraries(gmt)
    masked = check_names(masked_sources, list(files))
    left_out: dict[str, str] = {}
    for file, library in files.items():
        if hidden := sorted(sources_of(library) & masked):
            left_out[file] = f"this gene set file holds sets of {listed(hidden)}, which is masked"
    libraries = [library for file, library in files.items() if file not in left_out]
    services = _Services({**ADDRESSES, **_checked(addresses or {})}, timeout, retries, email)
    store = Cache(default_folder() if cache is None else Path(cache))
    tools: list[Tool] = []
    for name in wanted:
        tool: Tool | None
        if name in ONLINE:
            kind = ONLINE[name]
            sources = kind.every_source - masked
            options: dict[str, Any] = {"cache": store, "offline": offline, "max_age_days": max_age_days, "top": top}
            tool = services.tool(kind, sources, options) if sources else None
            if isinstance(tool, OnlineTool) and offline and not tool.cached_any():
                left_out[name] = "this run is offline, and the cache holds none of its answers"
                continue
        else:
            tool = _local(name, masked, libraries, top)
        if tool is None:
            left_out[name] = "every source that it could ask is masked"
        else:
            tools.append(tool)
    return Toolbox(tools, masked, left_out)


def _local(name: str, masked: frozenset[str], files: Sequence[Library], top: int) -> Tool | None:
    """Return the tool over the sources that are not masked; None if there are none."""
    if name == "enrichment":
        libraries = [*(load_library(source) for source in LIBRARIES if source not in masked), *files]
        return Enrichment(libraries, top) if libraries else None
    kind: type[GeneAnnotations] | type[SharedProcesses] = (
        GeneAnnotations if name == "gene_annotations" else SharedProcesses
    )
    sources = kind.every_source - masked
    return kind(sources) if sources else None


def _libraries(gmt: Sequence[Path | str]) -> dict[str, Library]:
    """Return the user's files by name."""
    found: dict[str, Library] = {}
    for path in gmt:
        library = Library.from_gmt(Path(path))
        if library.name in found or library.name in LIBRARIES:
            raise UserError(f"{path}: another source is called {library.name!r} as well; expected a name of its own")
        found[library.name] = library
    return found


def _checked(addresses: Mapping[str, str]) -> Mapping[str, str]:
    for service, address in addresses.items():
        if service not in ADDRESSES:
            raise UserError(f"there is no service {service!r}; expected some of {', '.join(ADDRESSES)}")
        if not address.startswith(("http://", "https://")):
            raise UserError(f"address of {service} is {address!r}; expected one that starts with https://")
    return addresses


class _Services:
    """One client a service, so that all its tools keep one pace."""

    def __init__(self, addresses: Mapping[str, str], timeout: float, retries: int, email: str) -> None:
        self._email, self._key = email, os.environ.get(ncbi.KEY_VARIABLE, "").strip()
        paces = {**PACES, **({"eutils": ncbi.PER_SECOND_WITH_KEY} if self._key else {})}
        self._clients = {
            name: ServiceClient(
                addresses[name],
                per_second=pace,
                timeout=timeout,
                retries=retries,
                secret=self._key if name == "eutils" else "",
            )
            for name, pace in paces.items()
        }

    def tool(self, kind: type[OnlineTool], sources: frozenset[str], options: Mapping[str, Any]) -> OnlineTool:
        """Return a tool over its service's client."""
        tool = kind(self._clients[kind.service], sources, **options)
        if isinstance(tool, ncbi.EUtilities):
            tool.set_courtesy(self._email, self._key)
        return tool
