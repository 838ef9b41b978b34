"""Naming records as ``counterpoise.biology.naming`` makes them: usual, failed and hostile ones."""

NASTY = "</style></script><script>alert(1)</script><img src=x onerror=alert(1)>\u202e"
RUN = {
    "command": "counterpoise genes name --file sets.gmt --model tiny --mode agent",
    "source": "sets.gmt",
    "records": "naming.jsonl",
    "masked": ["go-bp"],
    "offline": True,
    "tools": ["gene_annotations", "enrichment"],
    "seconds": 200.4,
    "left_out": {"gprofiler": "it is asked over the network, and the run is offline"},
}


def finding(**changes):
    found = {
        "tool": "enrichment",
        "source": "WikiPathways, 2022-07-10",
        "arguments": {"genes": ["TP53", "MDM2", "CDKN1A", "ATM"]},
        "lines": ["p53 signalling: 3 of 3 genes"],
        "terms": [["WP1", "p53 signalling"]],
        "failure": "",
        "cached": False,
    }
    return {**found, **changes}


def claim(decision="supported", **changes):
    made = {
        "about": "name",
        "text": f"They act in the p53 pathway ({decision}).",
        "decision": decision,
        "reason": "The pathway lists them.",
        "evidence": [finding()],
    }
    return {**made, **changes}


def make_record(**changes):
    """A record of agent mode in which everything happens once."""
    record = {
        "id": "set one",
        "given": ["p53", "MDM2", "CDKN1A", "MDM2", "nope", "SEPT2/6"],
        "genes": ["TP53", "MDM2", "CDKN1A"],
        "unknown": ["nope"],
        "ambiguous": {"SEPT2/6": ["SEPTIN2", "SEPTIN6"]},
        "duplicates": ["MDM2"],
        "species": "",
        "mode": "agent",
        "model": "tiny",
        "name": "p53-dependent cell cycle arrest",
        "confidence": 0.85,
        "confidence_bin": "medium",
        "analysis": "The three genes act on p53.\n\nMDM2 inhibits it.",
        "first_name": "DNA damage response",
        "claims": [
            claim("supported"),
            claim("partly", about="analysis", evidence=[finding(cached=True), finding(tool="pubmed", lines=[])]),
            claim("refuted", evidence=[finding(tool="gene", failure="the service answered 429 four times", lines=[])]),
            claim("not checked", about="analysis", evidence=[], reason="no tool fits"),
        ],
        "enrichment": [
            {"id": "WP707", "name": "DNA damage response", "source": "wikipathways", "overlap": ["TP53", "MDM2"],
             "size": 68, "p": 2.3e-8, "q": 0.0123},
        ],
        "steps": [{"step": "generate", "prompt": "Name these genes.", "reply": "Process: DNA damage response (0.85)"}],
        "problems": ["SEPT2/6 may be several genes"],
        "complete": True,
        "seconds": 12.4,
        "versions": {"wikipathways": "2022-07-10"},
    }  # fmt: skip
    return {**record, **changes}


def direct(**changes):
    changes = {"mode": "direct", "claims": [], "first_name": "", "enrichment": [], **changes}
    return make_record(**changes)


def enriched(**changes):
    changes = {"mode": "enrichment", "model": "", "claims": [], "first_name": "", "steps": [], **changes}
    return make_record(**changes)


def failed():
    """Nothing came of it."""
    return direct(
        id="broken", name="", confidence=None, confidence_bin="not given", analysis="", complete=False, steps=[],
        problems=["the endpoint did not answer"], genes=[], unknown=[], ambiguous={}, duplicates=[], given=[],
    )  # fmt: skip


def hostile():
    evidence = [finding(tool=NASTY, source=NASTY, lines=[NASTY], arguments={NASTY: NASTY}, failure="")]
    evidence += [finding(failure=NASTY)]
    return make_record(
        id=NASTY, given=[NASTY], genes=[NASTY], unknown=[NASTY], ambiguous={NASTY: [NASTY]}, duplicates=[NASTY],
        species=NASTY, model=NASTY, name=NASTY, analysis=NASTY + "\x00\ud83d", first_name=NASTY + "2",
        claims=[claim(NASTY, about=NASTY, text=NASTY, reason=NASTY, evidence=evidence)],
        enrichment=[{"id": NASTY, "name": NASTY, "source": NASTY, "overlap": [NASTY], "size": 3, "p": 0.0, "q": 1.0}],
        steps=[{"step": NASTY, "prompt": NASTY, "reply": NASTY}], problems=[NASTY], versions={NASTY: NASTY},
    )  # fmt: skip


HOSTILE_RUN = {
    **dict.fromkeys(("command", "source", "records", "background", "counterpoise"), NASTY),
    "masked": [NASTY],
    "notes": [NASTY],
    "tools": [NASTY],
    "left_out": {NASTY: NASTY},
}
