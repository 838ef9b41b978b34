"""The policy that a run starts from: any model, checkpoint folder, run folder or adapter that `models` can load.

    loaded, adapter = load_start(StartConfig(name="runs/sft"), AdapterConfig(kind="lora"), "auto", seed=0)

A model gets a new adapter (or is trained itself, ``full``). An adapter is trained on: the same matrices, no second
adapter on top, so that what comes out is again one adapter on the same base model. ``adapter`` in the run config may
then be left out; what it says of kind, rank and alpha must be what the adapter has.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from counterpoise.errors import UserError
from counterpoise.evaluation.subjects import name_parts
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.fetch import Progress, ResolvedModel, resolve
from counterpoise.models.load import LoadedModel
from counterpoise.models.save import QUANTIZATION_FILE
from counterpoise.reinforcement.config import StartConfig

KINDS = {"LORA": "lora", "IA3": "ia3", "P_TUNING": "p-tuning", "PROMPT_TUNING": "prompt-tuning"}
"""PEFT's name of an adapter -> ours."""


def find_start(
    start: StartConfig, adapter: AdapterConfig | None, on_progress: Progress | None = None
) -> tuple[ResolvedModel, AdapterConfig]:
    """Return where the model is, and the adapter that is trained: a new one, or what is there.

    Raises:
        UserError: no such model, or an adapter of another kind than the run config asks for.
    """
    resolved = resolve(name_parts(start.name)[1], on_progress=on_progress)
    if not resolved.is_adapter:
        return resolved, adapter or AdapterConfig()
    own = _adapter_of(resolved.path)
    if own.kind in ("p-tuning", "prompt-tuning"):
        raise UserError(
            f"{start.name} is an adapter of kind {own.kind}, which GRPO cannot train on; expected lora, dora or ia3"
        )
    if adapter is not None:
        given = adapter.model_dump(include=adapter.model_fields_set & {"kind", "rank", "alpha"})
        for key, value in given.items():
            if value != getattr(own, key):
                raise UserError(
                    f"adapter.{key} is {value}, but {start.name} is an adapter already, with {key} "
                    f"{getattr(own, key)}, and is trained on as it is; leave adapter out, or merge it first "
                    "(counterpoise merge)"
                )
    return resolved, own


def load_start(
    start: StartConfig,
    adapter: AdapterConfig | None,
    precision: Any,
    *,
    seed: int,
    on_progress: Progress | None = None,
) -> tuple[LoadedModel, AdapterConfig]:
    """Load the policy, ready to be trained, and return it with the adapter that is.

    Args:
        start: which model.
        adapter: what is put on it; None: lora, or of an adapter that same one.
        precision: of frozen weights; trained ones are float32.
        seed: of a new adapter's first weights.

    Raises:
        UserError: as :func:`find_start` and :func:`counterpoise.models.load.load_model`.
    """
    import torch

    from counterpoise.models.adapters.lean import lean_lora
    from counterpoise.models.load import load_model

    resolved, trained = find_start(start, adapter, on_progress)
    torch.manual_seed(seed)
    loaded = load_model(
        resolved,
        dtype=precision,
        adapter=None if resolved.is_adapter else trained,
        attention=start.attention,
        quantization="nf4" if trained.kind == "qlora" else None,
        trust_remote_code=start.trust_remote_code,
        base=name_parts(start.name)[0],
        on_progress=on_progress,
    )
    if not resolved.is_adapter:
        return loaded, trained
    loaded.model.set_adapter("default")  # PEFT loads adapters frozen
    for parameter in loaded.model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.to(torch.promote_types(parameter.dtype, torch.float32))
    if trained.kind in ("lora", "qlora"):
        lean_lora(loaded.model)
    return loaded, trained


def _adapter_of(folder: Path) -> AdapterConfig:
    """Return the adapter in a folder, in our words."""
    found = json.loads((folder / "adapter_config.json").read_text(encoding="utf-8"))
    kind = KINDS.get(str(found.get("peft_type")), "")
    if not kind:
        raise UserError(
            f"{folder}: its adapter is of PEFT's kind {found.get('peft_type')}; expected {', '.join(sorted(KINDS))}, "
            "or a merged model"
        )
    if kind != "lora":
        return AdapterConfig(kind=kind)
    if found.get("use_dora"):
        kind = "dora"
    elif (folder / QUANTIZATION_FILE).is_file():
        kind = "qlora"
    targets = found.get("target_modules")
    names = sorted({str(target).rpartition(".")[2] for target in targets}) if isinstance(targets, list) else []
    return AdapterConfig(
        kind=kind,
        rank=found["r"],
        alpha=found["lora_alpha"],
        targets=names or "all-linear",
    )
