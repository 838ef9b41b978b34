"""The tools of one run, and calls that a model makes.

toolbox = make_toolbox()                                         # local tools, no network (see `making`)
toolbox.schemas()                                                # for a model with function calling
toolbox.call("enrichment", {"genes": ["TP53", "MDM2"]})          # a Finding, whatever happens
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from counterpoise.biology.verification.finding import Finding, clean, listed
from counterpoise.biology.verification.tool import ArgumentProblem, Tool, check_arguments
from counterpoise.errors import UserError, nearest


class Toolbox:
    """Tools by name.

    Args:
        tools: with different names.
        masked_sources: that no tool may reach.
        left_out: name -> why, of tools that were wanted and are not there.

    Raises:
        UserError: a tool could reach a masked source, or two have one name.
    """

    def __init__(
        self,
        tools: Sequence[Tool],
        masked_sources: Collection[str] = frozenset(),
        left_out: Mapping[str, str] | None = None,
    ) -> None:
        self.tools = tuple(tools)
        self.masked_sources = frozenset(masked_sources)
        self.left_out = dict(left_out or {})
        self._by_name = {tool.name: tool for tool in self.tools}
        if len(self._by_name) < len(self.tools):
            raise UserError("two tools have the same name; expected each tool once")
        self.check_masks(self.masked_sources)

    @property
    def versions(self) -> dict[str, str]:
        """Source -> version, of the sources that lie here; online ones tell theirs in each finding."""
        return {name: text for tool in self.tools for name, text in getattr(tool, "versions", {}).items()}

    def check_masks(self, masked_sources: Collection[str]) -> None:
        """Make sure that no tool can reach a masked source; a benchmark calls this before it asks anything.

        Raises:
            UserError: a tool can; the answers of the benchmark would leak.
        """
        for tool in self.tools:
            if reached := sorted(tool.sources & frozenset(masked_sources)):
                raise UserError(
                    f"tool {tool.name!r} can reach {listed(reached)}, which is masked: the answers of the benchmark "
                    "could be looked up; leave the tool out or make the toolbox with these masked sources"
                )

    def schemas(self) -> list[dict[str, Any]]:
        """Return the tools as functions in the form of OpenAI's chat interface."""
        return [tool.schema() for tool in self.tools]

    def call(self, name: str, arguments: object) -> Finding:
        """Run a tool with arguments that a model may have written; never raises for what is wrong with them."""
        tool = self._by_name.get(name)
        if tool is None:
            known = tuple(self._by_name)
            expected = ", ".join(known) or "no call: there are no tools"
            reason = f"there is no tool {clean(name, 60)!r}{nearest(str(name), known)}; expected {expected}"
            if why := self.left_out.get(name):
                reason = f"{name} is left out: {why}"
            return Finding(clean(name, 60), failure=reason)
        told = dict(arguments) if isinstance(arguments, Mapping) else {}
        try:
            checked = check_arguments(tool.takes, arguments)
        except ArgumentProblem as problem:
            return Finding(name, arguments=_told(told), failure=str(problem))
        return tool.run(**checked)


def _told(arguments: Mapping[Any, Any]) -> dict[str, Any]:
    """Return refused arguments as short text: a model may have put anything there."""
    return {clean(str(key), 40): clean(str(value), 200) for key, value in list(arguments.items())[:5]}
