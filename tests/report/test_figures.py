"""Figures as files: there, valid, the same twice, and left out where there is nothing to draw."""

import struct
from xml.etree import ElementTree

import pytest
from study_outcome import make_study

from counterpoise.errors import UserError
from counterpoise.report import figures
from counterpoise.report.figures import write_figures
from counterpoise.report.study_reading import read_study_outcome

NAMES = ("forest", "forest-sft", "curves", "weights", "frontier")


@pytest.fixture(scope="module")
def written(tmp_path_factory):
    folder = tmp_path_factory.mktemp("figures") / "new"
    return folder, write_figures(make_study(), folder)


def test_every_figure_is_written_as_png_and_svg(written):
    folder, paths = written
    assert paths == [folder / f"{name}.{kind}" for name in NAMES for kind in ("png", "svg")]
    assert sorted(folder.iterdir()) == sorted(paths)


def test_files_are_valid_and_one_column_wide(written):
    for path in written[1]:
        data = path.read_bytes()
        if path.suffix == ".png":
            assert data[:8] == b"\x89PNG\r\n\x1a\n"
            width, height = struct.unpack(">II", data[16:24])
            assert width == 3.5 * 300
            assert height > 300
        else:
            root = ElementTree.fromstring(data)
            assert root.tag == "{http://www.w3.org/2000/svg}svg"
            assert root.get("width") == "252pt"
            assert b"date" not in data


def test_two_calls_write_the_same(written, tmp_path):
    again = write_figures(make_study(), tmp_path)
    for first, second in zip(written[1], again, strict=True):
        assert first.read_bytes() == second.read_bytes(), first.name


def test_a_figure_without_data_is_left_out(tmp_path):
    old = {key: make_study()[key] for key in ("study", "scores", "comparisons")}
    assert {path.stem for path in write_figures(old, tmp_path / "old")} == {"forest", "forest-sft"}
    assert write_figures({}, tmp_path / "none") == []


def test_forest_shows_the_differences_filled_where_clear():
    reading = read_study_outcome(make_study())
    with figures._style():
        axes = figures.forest(reading).axes
    assert [ax.get_title(loc="left") for ax in axes] == [*reading.tasks, *reading.forgetting]
    (panel,) = [ax for ax in axes if ax.get_title(loc="left") == "pubmedqa"]
    gaps = reading.gaps("baseline", "pubmedqa")
    points = [mark for mark in panel.lines if mark.get_marker() == "o"]
    assert [mark.get_xdata()[0] for mark in points] == [gap.value for gap in gaps]
    assert [mark.get_markerfacecolor() != "white" for mark in points] == [gap.clear for gap in gaps]
    bars = [mark for mark in panel.lines if mark.get_marker() == "None" and len(set(mark.get_ydata())) == 1]
    assert [list(bar.get_xdata()) for bar in bars] == [[gap.low, gap.high] for gap in gaps]


def test_an_unfinished_arm_has_thin_lines_alone_and_no_strip_or_point():
    stopped = {"arm": "dft", "trained_on": "all", "seed": 2, "why": "not started"}

    def drawn(**changes):
        reading = read_study_outcome(make_study(**changes))
        with figures._style():
            curves, weights, frontier = (draw(reading) for draw in (figures.curves, figures.weights, figures.frontier))
        thick = [line for line in curves.axes[0].lines if line.get_linewidth() > 1]
        titles = [ax.get_title(loc="left") for ax in weights.axes]
        numbers = [text.get_text() for text in frontier.axes[0].texts]
        return len(thick), len([title for title in titles if title]), len(numbers)

    assert drawn() == (5, 5, 5)
    assert drawn(unfinished=[stopped]) == (4, 4, 4)


def test_hostile_names_are_drawn_as_text(tmp_path):
    outcome = make_study()
    for row in outcome["comparisons"]:
        row["ours"] = "$\\frac{1}{0}$<script>\u202e\x00" + "x" * 500
    paths = write_figures(outcome, tmp_path)
    for path in paths:
        if path.suffix == ".svg":
            assert b"<script" not in path.read_bytes()
            ElementTree.parse(path)


def test_a_folder_that_cannot_be_made_is_said(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        write_figures(make_study(), tmp_path / "file" / "figures")
