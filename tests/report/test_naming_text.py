"""What naming found, on the terminal: complete, within its width, and harmless whatever a model wrote."""

import io

from naming_records import NASTY, claim, direct, enriched, failed, finding, hostile, make_record
from rich.console import Console

from counterpoise.report.naming_text import LINES, WIDTH, one_set, sets_table


def printed(table):
    stream = io.StringIO()
    Console(file=stream, width=160).print(table)
    return stream.getvalue().splitlines()


def test_one_set_in_full():
    lines = list(one_set(make_record(), {"nope": "no approved symbol"}))
    text = " ".join(" ".join(lines).split())
    assert lines[0] == "p53-dependent cell cycle arrest"
    for said in (
        "before the check: DNA damage response",
        "confidence .85, medium: From 0.82 to below 0.87",
        "genes: 3 of 5 recognised: TP53, MDM2, CDKN1A",
        "not recognised: nope (no approved symbol)",
        "ambiguous: SEPT2/6 (SEPTIN2 or SEPTIN6)",
        "given twice: MDM2",
        "note: SEPT2/6 may be several genes",
        "The three genes act on p53. MDM2 inhibits it.",
        "[supported] on the name: They act in the p53 pathway (supported).",
        "[refuted] on the name: They act in the p53 pathway (refuted). why: The pathway lists them.",
        "gene (WikiPathways, 2022-07-10): no answer: the service answered 429 four times",
        "pubmed (WikiPathways, 2022-07-10): knows nothing of this",
        "[not checked] on the analysis",
        "no source was asked",
        "enrichment alone, beside it:",
        "DNA damage response (WP707, wikipathways): 2 of its 68 genes, p 2.3e-8, q .012: TP53, MDM2",
    ):
        assert said in text, said
    assert max(map(len, lines)) <= WIDTH


def test_what_is_not_there_has_no_heading():
    text = "\n".join(one_set(failed()))
    assert text.startswith("no name could be had\n")
    assert "note: the endpoint did not answer" in text
    for heading in ("claims:", "enriched", "not recognised", "ambiguous", "given twice", "before the check"):
        assert heading not in text
    assert "before the check" not in "\n".join(one_set(make_record(first_name=make_record()["name"])))
    assert "most enriched terms:" in "\n".join(one_set(enriched()))


def test_long_evidence_is_cut_and_counted():
    many = claim(evidence=[finding(lines=[f"fact {i}" for i in range(LINES + 7)])])
    text = " ".join(one_set(make_record(claims=[many])))
    assert f"fact {LINES - 1}; and 7 lines more" in text
    assert f"fact {LINES}" not in text


def test_what_a_model_wrote_cannot_steer_the_terminal():
    record = make_record(name="\x1b[2J\x9b31m" + NASTY, analysis="a\x1b]0;title\x07\nb\x00", id="\x1b[31mred")
    for text in ("\n".join(one_set(record)), "\n".join(printed(sets_table([record]))), "\n".join(one_set(hostile()))):
        assert not any((ord(c) < 32 and c != "\n") or 127 <= ord(c) < 160 or c == "\u202e" for c in text)
    assert "[U+001B][2J[U+009B]31m" in "\n".join(one_set(record))
    assert "[bold]x[/bold]" in "\n".join(printed(sets_table([direct(name="[bold]x[/bold]")]))), "markup is text"


def test_a_table_of_sets():
    head, *rows = printed(sets_table([make_record(), direct(id="b"), failed()]))
    assert head.split() == ["set", "genes", "name", "confidence", "supported", "complete"]
    assert rows[0].split()[:5] == ["set", "one", "3", "of", "5"]
    assert rows[0].split()[-4:] == ["1", "of", "4", "yes"]
    assert rows[2].split() == ["broken", "0", "-", "not", "given", "0", "of", "0", "no"]
    assert "supported" not in printed(sets_table([direct()]))[0]
