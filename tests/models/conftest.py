"""A machine without a hub."""

import pytest


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """Neither a hub nor what this machine may already have cached; the caches are new and empty."""
    from huggingface_hub import constants

    from counterpoise.models import fetch

    monkeypatch.setattr(fetch, "hub_reachable", lambda: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "cache"))
    return tmp_path
