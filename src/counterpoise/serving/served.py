"""Make a model ready for a server: merged, under a name, with the chat template and the stop tokens of evaluation.

    with tempfile.TemporaryDirectory() as place:
        served = prepare("runs/first", Path(place))
        served.folder, served.name, served.stops

Nothing of the model is copied: its files are linked into a folder that lies in a hub cache of its own, as if they had
been downloaded under ``name``. A server that is given this cache and no network therefore knows the model by its name,
lists it and no other, and cannot fetch one. Three files are written anew there where they have to be:

- ``generation_config.json``: an answer ends with any token of `PromptFormat.stop_token_ids` (the model's, the
  tokenizer's and the end-of-turn token of its chat template, of which many checkpoints name only one). Requests that
  give a temperature are sampled; which tokens is not narrowed but by the model's own settings.
- ``chat_template.jinja``: where there is none or the model was trained without (``data.template: plain``), the plain
  template of `data.rendering`.
- an adapter is merged with its base model.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError
from counterpoise.evaluation.subjects import name_parts
from counterpoise.models.fetch import ResolvedModel, resolve
from counterpoise.serving.naming import checked_name, default_name, learned_plain

REVISION = "0" * 40
"""The revision under which the files lie in the cache; it is nobody's."""
FILES = ("*.json", "*.safetensors", "*.txt", "*.model", "*.jinja")
PROMPT_LEARNING = ("P_TUNING", "PROMPT_TUNING", "PREFIX_TUNING")


@dataclass(frozen=True)
class Served:
    """A model that a server can be pointed at.

    Attributes:
        name: what requests call it, and /v1/models.
        cache: a hub cache that holds it and nothing else.
        folder: where its files lie in there.
        stops: the texts of the tokens that end an answer.
        dtype: of its weights: float32 or bfloat16.
        attention: transformers' name of the attention kernel; None for its own choice.
        notes: sentences on what was made of it.
    """

    name: str
    cache: Path
    folder: Path
    stops: tuple[str, ...]
    dtype: str
    attention: str | None
    notes: tuple[str, ...]


def prepare(
    model: str, place: Path, *, name: str | None = None, on_progress: Callable[[str], None] | None = None
) -> Served:
    """Make a model ready in the empty folder ``place``, which has to outlive the server.

    Args:
        model: alias, hub id, folder, run folder, .gguf file, or ``BASE+ADAPTER``.
        place: where links, and for an adapter the merged weights, go.
        name: what it is to be called; None: after the run folder, alias or hub id.
        on_progress: told what takes time.

    Raises:
        UserError: no such model, one that writes no text, an encoder-decoder, an adapter without a place in the
            weights, or a name that cannot be one.
    """
    from transformers import AutoConfig

    from counterpoise.models.architecture import attention_kernel, text_architecture
    from counterpoise.models.encoder import is_trained_encoder
    from counterpoise.models.load import choose_dtype, default_device, load_tokenizer

    base, own = name_parts(model)
    chosen = checked_name(name) if name is not None else default_name(model)
    resolved = resolve(own, on_progress=on_progress)
    plain = learned_plain(own)
    if is_trained_encoder(resolved):
        raise UserError(f"{model}: this is an encoder, which writes no text; expected a language model")
    notes: list[str] = []
    if resolved.is_adapter:
        resolved = _merged(model, resolved, base, place, notes, on_progress)
    elif base is not None:
        raise UserError(f"{own}: this is no adapter, so {base} cannot be its base model; name one of the two")
    config = AutoConfig.from_pretrained(resolved.path)
    if text_architecture(model, config) != "causal":
        raise UserError(
            f"{model}: an encoder-decoder cannot be served; `counterpoise chat` and `counterpoise evaluate` can ask it"
        )
    cache = place / "hub"
    repository = cache / f"models--{chosen.replace('/', '--')}"
    folder = repository / "snapshots" / REVISION
    folder.mkdir(parents=True)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(REVISION, encoding="utf-8")
    for path in sorted({path for pattern in FILES for path in resolved.path.glob(pattern)}):
        _link(path, folder / path.name)
    tokenizer = load_tokenizer(resolved)
    if plain or not tokenizer.chat_template:
        _replace(folder / "chat_template.jinja", plain_template(tokenizer))
        notes.append("prompts are written by the plain template, as in training")
    stops = _write_generation_config(folder, config, tokenizer, plain)
    dtype = str(choose_dtype("auto", default_device())).removeprefix("torch.")
    return Served(chosen, cache, folder, stops, dtype, attention_kernel(model, config, "auto"), tuple(notes))


def plain_template(tokenizer: Any) -> str:
    """Return the plain template of `data.rendering` for a server: with a bos token where the tokenizer adds one."""
    from counterpoise.data.rendering import PLAIN

    begins = tokenizer.bos_token_id is not None and tokenizer("a")["input_ids"][:1] == [tokenizer.bos_token_id]
    return ("{{ bos_token }}" if begins else "") + PLAIN


def _merged(
    model: str,
    resolved: ResolvedModel,
    base: str | None,
    place: Path,
    notes: list[str],
    on_progress: Callable[[str], None] | None,
) -> ResolvedModel:
    """Merge an adapter with the base model that it names, or with another one that was named with it."""
    from counterpoise.models.merge import merge

    settings = json.loads((resolved.path / "adapter_config.json").read_text(encoding="utf-8"))
    if settings.get("peft_type") in PROMPT_LEARNING:
        raise UserError(
            f"{model}: an adapter of trained vectors in front of the input cannot be merged, so it cannot be served; "
            "`counterpoise chat` and `counterpoise evaluate` use it as it is"
        )
    adapter = resolved.path
    if base is not None:
        adapter = place / "adapter"
        adapter.mkdir()
        for path in resolved.path.iterdir():
            if path.is_file():
                _link(path, adapter / path.name)
        settings["base_model_name_or_path"] = str(resolve(base, on_progress=on_progress).path)
        _replace(adapter / "adapter_config.json", json.dumps(settings))
    if on_progress is not None:
        on_progress(f"{model}: merging the adapter with its base model")
    made = merge(adapter, place / "merged", on_progress=on_progress)
    notes += ["the adapter is merged with its base model", *([made.note] if made.note else [])]
    return resolve(made.folder)


def _write_generation_config(folder: Path, config: Any, tokenizer: Any, plain: bool) -> tuple[str, ...]:
    from transformers import GenerationConfig

    from counterpoise.evaluation.prompt_format import prompt_format

    path = folder / "generation_config.json"
    settings = GenerationConfig.from_pretrained(folder) if path.exists() else GenerationConfig.from_model_config(config)
    own = settings.eos_token_id
    ends = set(own if isinstance(own, list) else [own]) - {None}
    form = prompt_format(tokenizer, "plain" if plain or not tokenizer.chat_template else "chat")
    ends |= set(form.stop_token_ids)
    settings.eos_token_id = sorted(ends)
    settings.pad_token_id = tokenizer.pad_token_id
    settings.do_sample = True  # a server would else ignore the temperature of a request
    if settings.top_k is None:
        settings.top_k = 0  # transformers' own default is 50
    _replace(path, settings.to_json_string(use_diff=True))
    return tuple(tokenizer.convert_ids_to_tokens(sorted(ends)))


def _link(path: Path, link: Path) -> None:
    try:
        link.symlink_to(path.resolve())
    except OSError:  # a file system, or a system, without links
        shutil.copy2(path, link)


def _replace(path: Path, text: str) -> None:
    """Write a file in place of a link, never through it."""
    if path.is_symlink():
        path.unlink()
    path.write_text(text, encoding="utf-8")
