"""Records on disk: a run goes on where it stopped, and never mixes with another."""

import json

import pytest
from naming_fakes import SET, ScriptedChat, lens_tools

from counterpoise.biology.gene_sets import GeneSet
from counterpoise.biology.naming import name_gene_sets, read_records
from counterpoise.biology.naming.kept import settings_path
from counterpoise.errors import UserError

SETS = [GeneSet(f"s{i}", SET.genes[: 2 + i]) for i in range(3)]
GOOD = "Process: Lens transparency (0.9)\n\nIt is clear."


def run(out, rule=GOOD, sets=SETS, chat=None, **settings):
    chat = chat or ScriptedChat(sets_at_once=1, name=rule)
    return name_gene_sets(sets, chat, mode="direct", out=out, **settings), chat


def test_a_run_that_was_stopped_goes_on(tmp_path):
    out = tmp_path / "folder" / "names.jsonl"

    def stopping(request):
        if "BFSP1" in request.prompt.text().rsplit("Genes:", 1)[1]:
            raise KeyboardInterrupt
        return GOOD

    with pytest.raises(KeyboardInterrupt):
        run(out, stopping)
    assert [record["id"] for record in read_records(out)] == ["s0"]
    records, chat = run(out)
    assert len(chat.requests) == 2
    assert [record["id"] for record in records] == ["s0", "s1", "s2"]
    assert read_records(out) == records


def test_a_torn_line_is_repaired(tmp_path):
    out = tmp_path / "names.jsonl"
    records, _ = run(out)
    whole = out.read_text()
    out.write_text(whole[: whole.rindex('"steps"')])  # a kill in the middle of the last record
    assert [record["id"] for record in read_records(out)] == ["s0", "s1"]
    again, chat = run(out)
    assert len(chat.requests) == 1
    assert [json.loads(line)["id"] for line in out.read_text().splitlines()] == ["s0", "s1", "s2"]
    assert again[:2] == records[:2]


def test_a_last_line_without_its_end_is_kept(tmp_path):
    out = tmp_path / "names.jsonl"
    run(out, sets=SETS[:2])
    out.write_text(out.read_text().rstrip("\n"))
    run(out)
    assert [record["id"] for record in read_records(out)] == ["s0", "s1", "s2"]


def test_poor_answers_are_not_asked_for_again(tmp_path):
    out = tmp_path / "names.jsonl"
    records, _ = run(out, "No.")
    assert not any(record["complete"] for record in records)
    _, chat = run(out)
    assert not chat.requests


@pytest.mark.parametrize("change", [{"words": 20}, {"retries": 0}, {"masked_sources": ["go-bp"]}])
def test_other_settings_are_refused(tmp_path, change):
    out = tmp_path / "names.jsonl"
    run(out)
    before = out.read_bytes()
    with pytest.raises(UserError, match=r"holds names of another run.*--overwrite"):
        run(out, **change)
    assert out.read_bytes() == before
    records, chat = run(out, overwrite=True, **change)
    assert len(chat.requests) == len(records) == 3


def test_another_model_or_mode_is_refused(tmp_path):
    out = tmp_path / "names.jsonl"
    run(out)
    other = ScriptedChat(name=GOOD)
    other.name = "another"
    with pytest.raises(UserError, match="model"):
        run(out, chat=other)
    with pytest.raises(UserError, match="mode: was direct, is agent"):
        name_gene_sets(SETS, ScriptedChat(), mode="agent", toolbox=lens_tools(), out=out)


def test_the_same_id_with_other_genes_is_refused(tmp_path):
    out = tmp_path / "names.jsonl"
    run(out)
    with pytest.raises(UserError, match="s0 was named there with other genes"):
        run(out, sets=[GeneSet("s0", ("TP53",))])


def test_another_file_is_not_written_into(tmp_path):
    out = tmp_path / "notes.txt"
    out.write_text("my notes\n")
    with pytest.raises(UserError, match=r"has no notes.txt.settings.json beside it"):
        run(out)
    assert out.read_text() == "my notes\n"


def test_settings_that_cannot_be_read_are_named(tmp_path):
    out = tmp_path / "names.jsonl"
    run(out)
    settings_path(out).write_text("{")
    with pytest.raises(UserError, match="no settings of a naming run"):
        run(out)


def test_a_folder_that_cannot_be_written_is_named(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        run(tmp_path / "file" / "names.jsonl")


def test_files_that_are_no_records(tmp_path):
    with pytest.raises(UserError, match="no such file"):
        read_records(tmp_path / "none.jsonl")
    (tmp_path / "x.jsonl").write_text('{"a": 1}\n')
    with pytest.raises(UserError, match="line 1: no naming record"):
        read_records(tmp_path / "x.jsonl")


def test_progress_counts_what_was_there(tmp_path):
    out, told = tmp_path / "names.jsonl", []
    run(out, sets=SETS[:1])
    run(out, on_progress=lambda *given: told.append(given))
    assert told == [("naming", 2, 3), ("naming", 3, 3)]
