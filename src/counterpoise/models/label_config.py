"""What the head of an encoder stands for, kept with the model.

    labels_of(model)                    # LabelSpace(task="token-classification", labels=("O", "B-Disease", ...), ...)

A whole model has it in its config: ``id2label`` and ``problem_type``, as transformers reads them, and for a regression
``value_mean`` and ``value_scale``. An adapter has no config of its own, so ``labels.json`` lies beside it.
"""

import json
from dataclasses import asdict
from pathlib import Path
from typing import Any

from counterpoise.data.labelled_reading import LabelSpace
from counterpoise.errors import UserError
from counterpoise.models.head import base_of

LABELS_FILE = "labels.json"
_TOKENS, _SEQUENCES = "ForTokenClassification", "ForSequenceClassification"
_SEVERAL = "multi_label_classification"


def labels_of(model: Any) -> LabelSpace:
    """Return what the head of a model stands for, PEFT-wrapped or not."""
    base = base_of(model)
    return _space(base.config, type(base).__name__)


def trained_labels(config: Any) -> LabelSpace | None:
    """Return what the model of a config was fine-tuned to predict; None for an encoder without a head."""
    fine_tuned = next((c for c in config.architectures or [] if c.endswith((_TOKENS, _SEQUENCES))), None)
    return None if fine_tuned is None else _space(config, fine_tuned)


def _space(config: Any, class_name: str) -> LabelSpace:
    if class_name.endswith(_TOKENS):
        return LabelSpace("token-classification", _names(config))
    if config.problem_type == _SEVERAL:
        return LabelSpace("multi-label", _names(config))
    if config.problem_type == "regression" or config.num_labels == 1:
        return LabelSpace("regression", (), getattr(config, "value_mean", 0.0), getattr(config, "value_scale", 1.0))
    return LabelSpace("sequence-classification", _names(config))


def _names(config: Any) -> tuple[str, ...]:
    return tuple(label for _, label in sorted(config.id2label.items()))


def set_labels(config: Any, space: LabelSpace) -> None:
    """Write a label space into a config; the size of the head follows from it."""
    names = space.labels or ("value",)
    config.id2label = dict(enumerate(names))
    config.label2id = {label: i for i, label in enumerate(names)}
    config.problem_type = None
    if space.task == "regression":
        config.problem_type = "regression"
        config.value_mean, config.value_scale = space.mean, space.scale
    elif space.task == "sequence-classification":
        config.problem_type = "single_label_classification"
    elif space.task == "multi-label":
        config.problem_type = _SEVERAL


def write_labels(space: LabelSpace, folder: Path) -> None:
    """Write ``labels.json`` beside an adapter."""
    content = json.dumps(asdict(space), indent=1, ensure_ascii=False)
    (folder / LABELS_FILE).write_text(content + "\n", encoding="utf-8")


def read_labels(folder: Path, name: str) -> LabelSpace:
    """Read ``labels.json``; UserError, naming the model, if there is none or it is not ours."""
    try:
        found = json.loads((folder / LABELS_FILE).read_text(encoding="utf-8"))
        return LabelSpace(found["task"], tuple(found["labels"]), float(found["mean"]), float(found["scale"]))
    except OSError as error:
        raise UserError(f"{name}: there is no {LABELS_FILE}; expected an adapter of an encoder.") from error
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise UserError(f"{name}: {LABELS_FILE} cannot be read; expected what save_encoder wrote.") from error


def named(space: LabelSpace) -> str:
    """Name a label space in a message."""
    return f"{space.task} into {', '.join(space.labels)}" if space.labels else space.task
