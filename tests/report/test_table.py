"""The terminal tables: they fit, say every number, and take nothing from data as markup."""

import copy
import io

import pytest
from demo_outcome import ARMS, STARVED, make_outcome
from rich.console import Console

from counterpoise.report import demo_table, demo_tables


def printed(outcome, width=100):
    file = io.StringIO()
    console = Console(file=file, width=width, highlight=False)
    for part in demo_tables(outcome):
        console.print(part)
    return file.getvalue()


@pytest.mark.parametrize("width", [60, 80, 100, 140])
def test_fits_the_width_and_cuts_nothing_off(width):
    text = printed(make_outcome(), width)
    assert max(map(len, text.splitlines())) <= width
    assert "…" not in text
    joined = " ".join(text.split())
    for number in (".558", "[.518,", ".598]", "6.88", "+.214", "-.079"):
        assert number in joined


def test_one_line_a_state_at_100_columns():
    text = printed(make_outcome(), 100)
    (line,) = [line for line in text.splitlines() if line.startswith("SFT  ") and "[.518, .598]" in line]
    assert line.split(maxsplit=2)[:2] == ["SFT", "5e-4"]
    assert "1.23 [1.17, 1.29]" in line
    assert "4.21 [4.01, 4.41]" in line


def test_intervals_go_under_their_values_at_80_columns():
    lines = printed(make_outcome(), 80).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("base model"))
    assert ".344" in lines[at]
    assert "[.304, .384]" in lines[at + 1]


def test_states_then_a_rule_then_floors():
    lines = printed(make_outcome(), 100).splitlines()
    state = next(i for i, line in enumerate(lines) if line.startswith("BFT, SFT share 0.5"))
    assert set(lines[state + 1].strip()) == {"─"}
    assert lines[state + 2].split()[:2] == ["chance", ".250"]
    for floor in ("most frequent", "prior alone (base", "lexical overlap", "naive Bayes, same"):
        assert any(line.startswith(floor) for line in lines)


def test_holm_corrected_p_values_against_sft_and_base():
    text = printed(make_outcome(), 100)
    dft = next(line for line in text.splitlines() if line.startswith("DFT") and " SFT " in line)
    assert "-.079 [-.109, -.049]" in dft
    assert ".002" in dft  # .0001 times the 15 comparisons, of which 13 reach that value
    assert "base model  +.214 [+.184, +.244]" in text


def test_markup_in_names_is_printed_as_it_stands():
    outcome = make_outcome(arms={"sft": ("[red]SFT[/red]", "sft")}, accuracy=STARVED)
    outcome["floors"]["[bold]x"] = outcome["floors"]["chance"]
    text = printed(outcome)
    assert "[red]SFT[/red]" in text
    assert "[bold]x" in text


@pytest.mark.parametrize("keys", [(), ("bft",), ("sft",)])
def test_missing_arms(keys):
    text = printed(make_outcome(arms={key: ARMS[key] for key in keys}))
    assert "warm-up only" in text
    assert "chance" in text


def test_without_comparisons_weights_tuning_and_environment():
    outcome = copy.deepcopy(make_outcome())
    for name in ("weights", "tuning", "environment"):
        del outcome[name]
    outcome["comparisons"] = []
    text = printed(outcome)
    assert "Paired differences" not in text
    assert ".558 [.518, .598]" in text


def test_the_main_table_alone_has_a_row_a_state_and_floor():
    outcome = make_outcome()
    assert demo_table(outcome).row_count == len(outcome["arms"]) + len(outcome["floors"]) + 1  # and the prior alone
