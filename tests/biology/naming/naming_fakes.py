"""Stand-ins for naming's tests: a model that answers by rule, and tools that say what they are told."""

import threading

from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.naming.steps import ChatReply
from counterpoise.biology.verification import Finding, Toolbox
from counterpoise.biology.verification.tool import function_schema

SET = GeneSet("lens", ("CRYAA", "CRYBB2", "BFSP1", "MIP"))
ANALYSIS = "CRYAA and CRYBB2 are crystallins. MIP is a water channel."
CLAIMS = '["Most of these genes act in the lens of the eye."]'
GENE_CLAIMS = '["MIP is a water channel.", "CRYAA is a crystallin."]'


class FakeTool:
    """Answers with ``finding(**arguments)``, (lines, terms) or a failure; counts its calls."""

    def __init__(self, name, takes, finding, sources=()):
        self.name, self.takes, self.finding, self.sources = name, takes, finding, frozenset(sources)
        self.description, self.asked, self.lock = f"tool {name}", [], threading.Lock()

    def schema(self):
        return function_schema(self.name, self.description, self.takes)

    def run(self, **arguments):
        with self.lock:
            self.asked.append(arguments)
        found = self.finding(**arguments)
        if isinstance(found, str):
            return Finding(self.name, f"{self.name} 1.0", arguments, failure=found)
        return Finding(self.name, f"{self.name} 1.0", arguments, *map(tuple, found))


def lens_tools(gene_failure=""):
    """A tool for sets that puts a term forward, and one for genes."""
    enriched = FakeTool(
        "enrichment",
        "genes",
        lambda genes: ([f"lens development: {len(genes)} genes"], [("T:1", "lens development"), ("T:2", "vision")]),
        ["go-bp"],
    )
    gene = FakeTool("gene_facts", "gene", lambda gene: gene_failure or ([f"{gene} acts in the lens"], []), ["hgnc"])
    return Toolbox([enriched, gene])


class ScriptedChat:
    """Answers a request by the rule for its template: a text, a reply, a function, or a list to be gone through."""

    name, calls_tools, scores_options, is_batched = "scripted", False, True, True
    empty = (-1.0, -1.0, -1.0)
    """Log-likelihoods of the decisions on an empty claim."""

    def __init__(self, sets_at_once=8, **rules):
        self.rules, self.sets_at_once, self.requests, self.sizes = rules, sets_at_once, [], []

    def ask(self, requests):
        self.sizes.append(len(requests))
        for i, request in reversed(list(enumerate(requests))):
            self.requests.append(request)
            rule = self.rules[request.prompt.template]
            if request.prompt.values.get("claim") == "N/A":
                yield i, ChatReply(request.options[0], self.empty)
                continue
            answer = rule.pop(0) if isinstance(rule, list) else rule(request) if callable(rule) else rule
            if isinstance(answer, str):
                scores = tuple(-0.1 if option == answer else -3.0 for option in request.options)
                answer = ChatReply(answer, scores)
            yield i, answer

    def asked(self, template):
        asked = [request for request in self.requests if request.prompt.template == template]
        return [request for request in asked if request.prompt.values.get("claim") != "N/A"]


def agent_rules(**changes):
    """A model that goes through the whole cascade and finds every claim supported."""
    return {
        "name": f"Process: Lens transparency (0.9)\n\n{ANALYSIS}",
        "name_claims": CLAIMS,
        "verify_evidence": "supported",
        "modify": "Process: Eye lens structure (0.6)\n\nBFSP1 forms filaments. MIP is a water channel.",
        "analysis_claims": GENE_CLAIMS,
        "summarise": "Process: Anything else (0.8)\n\nThe final analysis.",
    } | changes
