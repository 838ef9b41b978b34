"""What is known of one gene set while it is named; each step writes into it, so that a partial result is never lost."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeVar

from counterpoise.biology.naming.parsing import Decision, clean, clip
from counterpoise.biology.naming.prompt import WORDS, text_of
from counterpoise.biology.naming.steps import ChatReply, ChatRequest, Steps
from counterpoise.biology.ontology import load_ontology
from counterpoise.biology.verification.finding import Finding

T = TypeVar("T")
LONGEST_KEPT = 20_000  # characters of a prompt or a reply in the record


@dataclass(frozen=True)
class Limits:
    """How much is asked.

    Attributes:
        claims: most claims on the name, and on the analysis.
        genes_shown: most genes in a prompt.
        genes: largest set that is taken.
        words: longest analysis that is asked for.
        answer_tokens: longest answer of a model.
        retries: reminders after an answer that cannot be read.
        turns: answers of a verifier that calls tools, until it has to have decided.
        evidence_lines: lines of evidence behind one decision, where the model does not ask for itself.
        looked_up: genes of a claim that tools for single genes are asked about.
    """

    claims: int = 6
    genes_shown: int = 300
    genes: int = 2000
    words: int = WORDS
    answer_tokens: int = 400
    retries: int = 2
    turns: int = 8
    evidence_lines: int = 8
    looked_up: int = 3


@dataclass
class Claim:
    """A claim and what became of it."""

    about: Literal["name", "analysis"]
    text: str
    decision: Decision = "not checked"
    reason: str = ""
    evidence: list[Finding] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Return plain JSON values, the evidence as `Finding.as_dict` has it."""
        evidence = [finding.as_dict() for finding in self.evidence]
        return {
            "about": self.about,
            "text": self.text,
            "decision": self.decision,
            "reason": self.reason,
            "evidence": evidence,
        }


class Lost(Exception):  # noqa: N818 - caught where a set's work ends
    """The model could not be reached, so the work on a set ends here."""


@dataclass
class Case:
    """One gene set and what was found so far.

    Attributes:
        genes: approved symbols.
        missing: why the result is incomplete, in sentences; empty if no step is missing.
        problems: what else the reader should know, in sentences.
        ask_again: the model could not be reached; another run asks again.
        versions: tool -> the source it asked, with its version.
    """

    id: str
    genes: tuple[str, ...]
    limits: Limits = field(default_factory=Limits)
    name: str = ""
    confidence: float | None = None
    analysis: str = ""
    first_name: str = ""
    claims: list[Claim] = field(default_factory=list)
    enrichment: list[dict[str, Any]] = field(default_factory=list)
    steps: list[dict[str, str]] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)
    ask_again: bool = False
    versions: dict[str, str] = field(default_factory=dict)

    @property
    def shown(self) -> tuple[str, ...]:
        """The genes that prompts list."""
        return self.genes[: self.limits.genes_shown]

    def tell(self, problem: str) -> None:
        """Note something that the reader should know."""
        if problem not in self.problems:
            self.problems.append(problem)

    def lacks(self, problem: str) -> None:
        """Note why the result is incomplete."""
        self.missing.append(problem)

    def keep(self, step: str, request: ChatRequest, reply: ChatReply) -> None:
        """Keep a prompt and its reply, and what was wrong with them."""
        last = request.turns[-1]["content"] if request.turns else request.prompt.text()
        said = reply.text or "".join(f"{call.name}({call.arguments})\n" for call in reply.calls) or reply.failure
        self.steps.append(
            {"step": step, "prompt": clip(str(last), LONGEST_KEPT), "reply": clip(clean(said).strip(), LONGEST_KEPT)}
        )
        if reply.left_out:
            self.tell(f"{step}: {reply.left_out} were left out of the prompt, which is longer than the model's window")
        if reply.is_cut and not request.options:
            self.tell(f"{step}: the answer ended at its longest length of {request.max_new_tokens} tokens")

    def ask(self, step: str, request: ChatRequest, *beside: ChatRequest) -> Steps[list[ChatReply]]:
        """Ask once, other requests beside it (of which the record keeps nothing); return the replies in order.

        Raises:
            Lost: the model cannot be reached.
        """
        replies: list[ChatReply] = yield [request, *beside]
        self.keep(step, request, replies[0])
        for reply in replies:
            if reply.is_lost:
                raise Lost(f"{step}: {reply.failure}")
        return replies

    def ask_until(
        self, step: str, request: ChatRequest, read: Callable[[str], T | None], reminder: str
    ) -> Steps[tuple[T | None, ChatReply]]:
        """Ask, and remind while ``read`` finds nothing in the answer; return what it found, and the last reply."""
        first = request
        for _ in range(self.limits.retries + 1):
            (reply,) = yield from self.ask(step, request)
            found = None if reply.failure else read(reply.text)
            if found is not None or reply.failure:
                break
            said = {"role": "assistant", "content": clip(reply.text, 2000)}
            request = replace(first, turns=(*first.turns, said, {"role": "user", "content": text_of(reminder)}))
        return found, reply


def terms_of(claims: Sequence[Claim]) -> list[tuple[str, str]]:
    """Return (id, name) of the terms that the evidence of claims puts forward for a set, best first.

    Processes and pathways stand before cellular components and molecular functions of GO; among them a term that is
    first in a finding before one that is second, then one that more findings list. Terms that were themselves asked
    for, by name, are not put forward by anybody and do not count.
    """
    ontology = load_ontology().terms
    best: dict[tuple[str, str], tuple[bool, int, int]] = {}
    for finding in (finding for claim in claims for finding in claim.evidence if "query" not in finding.arguments):
        for place, (term, name) in enumerate(finding.terms):
            is_other = term in ontology and ontology[term].ontology != "BP"
            _, at, times = best.get((term, name), (is_other, place, 0))
            best[term, name] = is_other, min(at, place), times - 1
    return sorted(best, key=lambda term: best[term])
