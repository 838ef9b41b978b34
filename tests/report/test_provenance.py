"""What results were made with, told alike on every page."""

from counterpoise.report.provenance import made_with
from counterpoise.training.environment import environment


def test_what_is_known_is_told():
    told = made_with(environment())
    assert told["Counterpoise"].startswith("0.")
    assert "torch 2" in told["Python and packages"]
    assert told["Python and packages"].startswith("Python 3.")
    assert "cores" in told["Machine"]
    assert "threads" in told["Machine"]


def test_what_an_earlier_version_did_not_write_is_left_out():
    assert set(made_with({}).values()) == {""}
    assert made_with({"counterpoise": "0.1.0", "git_commit": None})["Counterpoise"] == "0.1.0"
    found = made_with({"platform": "Linux", "cores": 2, "gpus": ["H100"], "packages": {"torch": "2"}})
    assert (found["Machine"], found["Python and packages"]) == ("Linux, 2 cores, H100", "torch 2")
