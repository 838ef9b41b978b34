"""Answers kept on disk."""

import json
import warnings
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest

from counterpoise.biology.verification.cache import Answer, Cache, default_folder

KEY = {"version": 1, "sources": ["kegg"], "genes": ["MDM2", "TP53"]}


def answer(days: int = 0) -> Answer:
    asked = (datetime.now(UTC) - timedelta(days=days)).date().isoformat()
    return Answer(("a fact, naïve",), (("KEGG:04115", "p53"),), "v1", asked)


def test_an_answer_comes_back_to_its_own_key_alone(tmp_path):
    cache = Cache(tmp_path)
    assert not cache.holds("gprofiler")
    cache.put("gprofiler", KEY, answer())
    assert cache.get("gprofiler", dict(reversed(KEY.items()))) == answer()
    assert cache.holds("gprofiler")
    assert cache.get("enrichr", KEY) is None
    assert cache.get("gprofiler", {**KEY, "sources": ["go-bp", "kegg"]}) is None
    assert cache.get("gprofiler", {**KEY, "version": 2}) is None


def test_age(tmp_path):
    cache = Cache(tmp_path)
    cache.put("t", KEY, answer(days=40))
    assert cache.get("t", KEY, max_age_days=39) is None
    assert cache.get("t", KEY, max_age_days=41) == answer(days=40)
    assert cache.get("t", KEY) == answer(days=40)


@pytest.mark.parametrize("content", ["", "{", "[]", '{"answer": {}}', '{"key": {}, "answer": null}', "\x00\xff"])
def test_a_broken_file_is_no_answer_and_is_replaced(tmp_path, content):
    cache = Cache(tmp_path)
    cache.put("t", KEY, answer())
    (path,) = tmp_path.glob("t/??/*.json")
    path.write_text(content, encoding="latin-1")
    assert cache.get("t", KEY) is None
    cache.put("t", KEY, answer())
    assert cache.get("t", KEY) == answer()


def test_a_file_of_another_key_is_no_answer(tmp_path):
    cache = Cache(tmp_path)
    cache.put("t", KEY, answer())
    (path,) = tmp_path.glob("t/??/*.json")
    row = json.loads(path.read_text())
    path.write_text(json.dumps({**row, "key": {"query": "other"}}))
    assert cache.get("t", KEY) is None


def test_nothing_but_whole_files_is_left(tmp_path):
    Cache(tmp_path).put("t", KEY, answer())
    assert [path.suffix for path in tmp_path.rglob("*") if path.is_file()] == [".json"]


def test_a_folder_that_cannot_be_written_is_told_once(tmp_path):
    (tmp_path / "file").write_text("in the way")
    cache = Cache(tmp_path / "file" / "cache")
    with pytest.warns(UserWarning, match="answers of services are not kept"):
        cache.put("t", KEY, answer())
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        cache.put("t", KEY, answer())
    assert cache.get("t", KEY) is None


def test_the_default_lies_in_the_user_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path))
    assert default_folder() == tmp_path / "verification"


def test_threads_that_keep_the_same_answer_do_not_disturb_each_other(tmp_path):
    cache = Cache(tmp_path)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(lambda _: cache.put("t", KEY, answer()), range(100)))
    assert cache.get("t", KEY) == answer()
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 1
