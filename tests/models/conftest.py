"""A tiny model on disk, and a machine without a hub."""

import pytest
from tiny_models import tiny_llama_config, write_model


@pytest.fixture
def llama():
    import torch
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(tiny_llama_config())


@pytest.fixture
def llama_folder(llama, tmp_path):
    return write_model(llama, tmp_path / "tiny-llama")


@pytest.fixture
def no_hub(monkeypatch, tmp_path):
    """Neither a hub nor what this machine may already have cached; the caches are new and empty."""
    from huggingface_hub import constants

    from counterpoise.models import fetch

    monkeypatch.setattr(fetch, "hub_reachable", lambda: False)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path / "cache"))
    return tmp_path
