"""Tiny real models, made in the test: a Llama with random weights and a byte-level tokenizer with a chat template."""

import os

import pytest
import torch

from tiny_models import tiny_llama_config, write_model

os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
if not torch.cuda.is_available():
    os.environ.setdefault("TRITON_INTERPRET", "1")  # before anything imports Triton: its kernels then run on the CPU


@pytest.fixture
def llama():
    from transformers import LlamaForCausalLM

    torch.manual_seed(0)
    return LlamaForCausalLM(tiny_llama_config())


@pytest.fixture
def llama_folder(llama, tmp_path):
    return write_model(llama, tmp_path / "tiny-llama")
