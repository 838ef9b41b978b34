"""Encoder models (BERT, RoBERTa, DeBERTa, ELECTRA, ModernBERT ...) with a classification or regression head.

    loaded = load_encoder("bert-folder", space=read.space, adapter=AdapterConfig(kind="full"))   # a new head, to train
    save_encoder(loaded, "runs/ner/model")
    loaded = load_encoder("runs/ner/model")                                                      # to predict
    labels_of(loaded.model)                     # LabelSpace(task="token-classification", labels=("O", "B-Disease", ...

What the head stands for is kept with the model: see `models.label_config`.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn
from transformers import AutoConfig, AutoModelForSequenceClassification, AutoModelForTokenClassification

from counterpoise.data.labelled_reading import LabelSpace
from counterpoise.errors import UserError
from counterpoise.models.adapters import AdapterConfig, TaskType, apply_adapter, quiet_peft
from counterpoise.models.adapters.layers import classifier_names
from counterpoise.models.architecture import attention_kernel
from counterpoise.models.fetch import Progress, ResolvedModel, resolve
from counterpoise.models.gguf import no_progress_bars
from counterpoise.models.head import base_of
from counterpoise.models.label_config import LABELS_FILE, named, read_labels, set_labels, trained_labels, write_labels
from counterpoise.models.label_config import labels_of as labels_of
from counterpoise.models.load import (
    DType,
    LoadedModel,
    _agree,
    base_name,
    cannot_load,
    choose_dtype,
    default_device,
    load_tokenizer,
)
from counterpoise.models.save import save_model


def load_encoder(
    name: str | Path | ResolvedModel,
    *,
    space: LabelSpace | None = None,
    dtype: DType = "auto",
    device: str | torch.device | None = None,
    adapter: AdapterConfig | None = None,
    attention: str = "auto",
    seed: int = 0,
    trust_remote_code: bool = False,
    offline: bool = False,
    on_progress: Progress | None = None,
) -> LoadedModel:
    """Load an encoder by alias, hub id or folder, with a head for a labelled task; ``head`` of the result is None.

    Args:
        name: an encoder, which gets a new head for ``space``, or one that was fine-tuned already (a whole model or an
            adapter), whose head is kept.
        space: what to predict; None takes it from the fine-tuned model.
        dtype: of the frozen weights, as in :func:`~counterpoise.models.load.load_model`; trained ones are float32, and
            read from the files as such.
        adapter: what is trained, of kind full or of one that adds weights; the head always is. None: nothing.
        seed: of the new head's random weights. (Those of an adapter come from torch's global random state.)

    Raises UserError as :func:`~counterpoise.models.fetch.resolve` does, and for a model that is no encoder, weights of
    the encoder that the files lack, no ``space`` for a model without a trained head, a trained head for other labels.
    """
    resolved = name if isinstance(name, ResolvedModel) else resolve(name, offline=offline, on_progress=on_progress)
    place = torch.device(device) if device is not None else default_device()
    tokenizer = load_tokenizer(resolved, trust_remote_code=trust_remote_code, offline=offline)
    base, saved = resolved, None
    if resolved.is_adapter:
        if adapter is not None:
            raise UserError(f"{resolved.name}: this is an adapter already; give its base model to train another.")
        base = resolve(base_name(resolved), offline=offline, on_progress=on_progress)
        saved = read_labels(resolved.path, resolved.name)
    config = encoder_config(base, trust_remote_code)
    saved = saved or trained_labels(config)
    if space is None and saved is None:
        raise UserError(
            f"{base.name}: this encoder has no trained head, so it cannot predict; fine-tune it first, or give the "
            "folder of a fine-tuned one."
        )
    if space is not None and saved is not None and (space.task, space.labels) != (saved.task, saved.labels):
        raise UserError(
            f"{resolved.name}: its head was trained for {named(saved)}, not for {named(space)}; expected a model "
            "without a head, or data with the same labels."
        )
    chosen = saved or space
    assert chosen is not None
    new_head = resolved.is_adapter or saved is None  # the files of the base model lack it
    set_labels(config, chosen)
    whole = adapter is not None and adapter.kind == "full" and adapter.layers is None
    weights = torch.float32 if whole else choose_dtype(dtype, place)
    model, new = _load(base, config, chosen, weights, attention, trust_remote_code, seed, new_head=new_head)
    model = model.to(place).eval()
    _agree(model, tokenizer, base)
    model.requires_grad_(False)
    if resolved.is_adapter:
        from peft import PeftModel

        with quiet_peft():
            model = PeftModel.from_pretrained(model, str(resolved.path)).eval()
    elif adapter is not None:
        _require_trainable(base.name, model, new, adapter)
        task_type: TaskType = "TOKEN_CLS" if chosen.task == "token-classification" else "SEQ_CLS"
        model = apply_adapter(model, adapter, task_type=task_type)
    return LoadedModel(
        model=model,
        tokenizer=tokenizer,
        resolved=resolved,
        head=None,
        architecture="encoder",
    )


def save_encoder(loaded: LoadedModel, folder: str | Path) -> Path:
    """Write the model or its adapter, so that `load_encoder` needs the folder alone, and return it."""
    folder = save_model(loaded.model, loaded.tokenizer, folder)
    if hasattr(loaded.model, "peft_config"):
        write_labels(labels_of(loaded.model), folder)
    return folder


def longest_input(model: nn.Module) -> int | None:
    """Return how many tokens the model has positions for, or None where positions are relative (DeBERTa, ModernBERT).

    The number of learned positions; RoBERTa's begin after that of its padding.
    """
    for name, module in base_of(model).named_modules():
        if isinstance(module, nn.Embedding) and name.endswith("position_embeddings"):
            reserved = 0 if module.padding_idx is None else module.padding_idx + 1
            return module.num_embeddings - reserved
    return None


def is_trained_encoder(resolved: ResolvedModel) -> bool:
    """Whether these are the files of an encoder, whole or an adapter, that was fine-tuned to predict labels."""
    if resolved.is_adapter:
        return (resolved.path / LABELS_FILE).is_file()
    try:
        config = AutoConfig.from_pretrained(resolved.path)
    except Exception:  # whatever is wrong is said when it is loaded
        return False
    return any(
        name.endswith(("ForTokenClassification", "ForSequenceClassification")) for name in config.architectures or []
    )


def encoder_config(resolved: ResolvedModel, trust: bool) -> Any:
    """Read the config; refuse what is no encoder, which transformers would give a classifier all the same."""
    from transformers.models.auto import modeling_auto as auto

    try:
        config = AutoConfig.from_pretrained(resolved.path, trust_remote_code=trust)
    except Exception as error:  # unknown architecture, broken JSON, code that was not trusted
        raise cannot_load(resolved, "its config.json", error) from error
    shown = ", ".join(config.architectures or []) or config.model_type
    own_code = getattr(config, "auto_map", None) or {}
    known = config.model_type in auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES
    if config.is_encoder_decoder:
        kind = "an encoder-decoder model"
    elif getattr(config, "is_decoder", False) or not (known or "AutoModelForMaskedLM" in own_code):
        kind = "no encoder"
    else:
        return config
    raise UserError(
        f"{resolved.name}: {shown} is {kind}; expected an encoder that fills in masked words, such as BERT."
    )


def _load(
    resolved: ResolvedModel,
    config: Any,
    space: LabelSpace,
    dtype: torch.dtype,
    attention: str,
    trust: bool,
    seed: int,
    *,
    new_head: bool,
) -> tuple[Any, list[str]]:
    """Return the model and the names of the weights that the files lack, which are those of its new head alone."""
    tokens = space.task == "token-classification"
    loader = AutoModelForTokenClassification if tokens else AutoModelForSequenceClassification
    try:
        with no_progress_bars(), no_warnings(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            model, report = loader.from_pretrained(
                resolved.path,
                config=config,
                dtype=dtype,
                attn_implementation=attention_kernel(resolved.name, config, attention),
                trust_remote_code=trust,
                use_safetensors=True,
                output_loading_info=True,
            )
    except torch.OutOfMemoryError:
        raise
    except Exception as error:  # transformers raises ValueError, OSError, RuntimeError, ImportError ...
        raise cannot_load(resolved, "the model", error) from error
    missing = sorted(report["missing_keys"])
    heads = classifier_names(model) if new_head else []
    lacking = [key for key in missing if not (new_head and (key.split(".")[0] in heads or ".pooler." in key))]
    if lacking:
        raise UserError(
            f"{resolved.name}: its files lack {len(lacking)} weights that {type(model).__name__} needs (first: "
            f"{lacking[0]}), so it would predict at random; expected the whole encoder."
        )
    model.name_or_path = resolved.portable_name  # PEFT writes it into adapters as the base model
    return model, missing


@contextmanager
def no_warnings() -> Iterator[None]:
    """Hide transformers' table of missing and unexpected weights, which a new head always has; we judge them."""
    log = logging.getLogger("transformers")
    level = log.level
    log.setLevel(logging.ERROR)
    try:
        yield
    finally:
        log.setLevel(level)


def _require_trainable(name: str, model: Any, new: list[str], adapter: AdapterConfig) -> None:
    """Every new weight must be trained, and saved: an adapter does so for the head, not for a pooler in the encoder."""
    outside = [key for key in new if key.split(".")[0] not in classifier_names(model)]
    if outside and not (adapter.kind == "full" and adapter.layers is None):
        raise UserError(
            f"{name}: its files lack {outside[0]}, which would stay random under adapter.kind: {adapter.kind}; choose "
            "adapter.kind: full without layers, or an encoder with a trained pooler."
        )
