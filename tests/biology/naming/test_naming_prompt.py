"""Prompts hold what they should, and lose evidence before genes where they have to be shorter."""

from counterpoise.biology.naming import UNRELATED, direct_prompt
from counterpoise.biology.naming.prompt import Prompt, template, text_of

TEMPLATES = {
    "name": {"words": "9"},
    "name_claims": {"name": "n", "most": "3"},
    "analysis_claims": {"name": "n", "analysis": "a", "most": "3"},
    "verify_tools": {"claim": "c"},
    "verify_evidence": {"claim": "c", "ask": "?"},
    "modify": {"rule": "r", "name": "n", "analysis": "a", "words": "9"},
    "summarise": {"name": "n", "analysis": "a", "words": "9"},
}


def test_every_template_is_filled():
    for name, values in TEMPLATES.items():
        text = Prompt(name, values, ("TP53", "MDM2"), ("first fact", "second fact")).text()
        assert "TP53, MDM2" in text
        assert "$" not in text


def test_texts_with_dollars_stand_as_they_are():
    text = Prompt("verify_tools", {"claim": "costs $genes $5"}, ("TP53",)).text()
    assert "costs $genes $5" in text


def test_evidence_goes_before_genes_and_one_of_each_stays():
    prompt = Prompt("verify_evidence", TEMPLATES["verify_evidence"], ("A1", "B2", "C3"), ("one", "two"))
    assert prompt.droppable == 3
    assert ("- two" in prompt.text(0), "- two" in prompt.text(1)) == (True, False)
    assert "A1, B2, C3" in prompt.text(1)
    assert "A1, B2\n" in prompt.text(2)
    assert "Genes: A1\n" in prompt.text(3)
    assert "- one" in prompt.text(3)
    assert prompt.left_out(0) == ""
    assert prompt.left_out(3) == "1 of 2 lines of evidence and 2 of 3 genes"


def test_the_direct_prompt_asks_for_all_that_is_read():
    text = direct_prompt(["TP53", "MDM2"], words=70)
    assert text.endswith("Genes: TP53, MDM2")  # last: what stands before is read once for all sets
    assert '"Process: "' in text
    assert "70 words" in text
    assert UNRELATED in text


def test_plain_templates_need_nothing():
    for name in ("remind_name", "remind_claims", "remind_decision", "ask_option", "ask_decision"):
        assert text_of(name)
    for name in ("rule_trim", "rule_rename"):
        assert "$" not in text_of(name)
    assert template("rule_replace").substitute(name="x y")
