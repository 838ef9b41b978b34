"""Where in a model an adapter goes: its stacks of layers, its linear layers, its heads.

    stacks(model)                   # one list of layers for a decoder or an encoder, two for an encoder-decoder
    top_layers(model, 4)            # the top 4 of each
    linear_names(model)             # every linear layer but the heads, by full name

Full names rather than last ones, so that the two stacks of an encoder-decoder may differ in depth.
"""

from torch import nn

from counterpoise.errors import UserError, nearest
from counterpoise.models.head import base_of, body_of, model_name


def stacks(model: nn.Module) -> list[tuple[nn.Module, nn.ModuleList]]:
    """Return each stack (decoder, encoder, or first the encoder and then the decoder) with its layers, bottom first.

    Raises UserError where the layers are not found.
    """
    base = base_of(model)
    config = base.config.get_text_config()
    bodies = [base.get_encoder(), base.get_decoder()] if config.is_encoder_decoder else [body_of(model)]
    names = ("num_hidden_layers", "num_layers", "num_decoder_layers", "encoder_layers", "decoder_layers")
    counts = {getattr(config, name, None) for name in names}
    found = []
    for body in bodies:
        lists = (m for m in body.modules() if isinstance(m, nn.ModuleList) and len(m) in counts)
        layers = next(lists, None)
        if layers is None:
            raise UserError(f"{model_name(model)}: its layers were not found, so adapter.layers must stay empty.")
        found.append((body, layers))
    return found


def top_layers(model: nn.Module, count: int) -> list[nn.Module]:
    """Return the top ``count`` layers of each stack; UserError where a stack has fewer."""
    found = stacks(model)
    sides = ["encoder", "decoder"] if len(found) == 2 else ["decoder" if _language_model(model) else "encoder"]
    chosen: list[nn.Module] = []
    for (_, layers), side in zip(found, sides, strict=True):
        if count > len(layers):
            raise UserError(
                f"adapter.layers is {count}, but {model_name(model)} has {len(layers)} {side} layers; expected "
                f"{len(layers)} or fewer."
            )
        chosen += list(layers)[len(layers) - count :]
    return chosen


def classifier_names(model: nn.Module) -> list[str]:
    """Return the names of what a classifier has on top of its encoder, such as ``classifier``."""
    base = base_of(model)
    body = base.base_model
    return [
        name for name, child in base.named_children() if child is not body and any(True for _ in child.parameters())
    ]


def linear_names(model: nn.Module, within: list[nn.Module] | None = None, heads: list[str] | None = None) -> list[str]:
    """Return the full names of the linear layers, LM head and ``heads`` left out.

    Args:
        within: only layers inside these modules; None is the whole model.
        heads: names of modules to leave out as well, such as a classifier.
    """
    base = base_of(model)
    left_out = [base.get_output_embeddings(), *(base.get_submodule(name) for name in heads or [])]
    outside = {id(module) for head in left_out if head is not None for module in head.modules()}
    inside = None if within is None else {id(module) for layer in within for module in layer.modules()}
    return [
        name
        for name, module in model.named_modules()
        if _is_linear(module) and id(module) not in outside and (inside is None or id(module) in inside)
    ]


def choose_targets(
    model: nn.Module, targets: str | list[str], layers: int | None, heads: list[str] | None = None
) -> list[str]:
    """Return the linear layers that ``adapter.targets`` and ``adapter.layers`` mean, by full name.

    PEFT itself only objects when no target at all is found, and puts adapters on the LM head without a word.
    Raises UserError for a target that is no linear layer, or is the LM head.
    """
    names = linear_names(model, heads=heads)
    if isinstance(targets, list):
        _require(model, targets, names)
    if layers is not None:
        names = linear_names(model, within=top_layers(model, layers), heads=heads)
    if targets == "all-linear":
        return names
    chosen = [name for name in names if any(_means(target, name) for target in targets)]
    if not chosen:
        raise UserError(f"adapter.targets: none of {', '.join(targets)} is in the top {layers} layers.")
    return chosen


def _require(model: nn.Module, targets: list[str], names: list[str]) -> None:
    head = base_of(model).get_output_embeddings()
    head_name = next((name for name, module in model.named_modules() if module is head), "")
    known = sorted({name.rpartition(".")[2] for name in names})
    for target in targets:
        if head_name and _means(target, head_name):
            raise UserError(
                f"adapter.targets: {target} is the LM head, which an adapter cannot change here; leave it out, or "
                "choose adapter.kind: full, which trains it."
            )
        if not any(_means(target, name) for name in names):
            raise UserError(
                f"adapter.targets: {model_name(model)} has no linear layer '{target}'{nearest(target, known)}; "
                f"expected all-linear or some of {', '.join(known)}."
            )


def _language_model(model: nn.Module) -> bool:
    return base_of(model).get_output_embeddings() is not None


def _means(target: str, name: str) -> bool:
    return name == target or name.endswith("." + target)


def _is_linear(module: nn.Module) -> bool:
    from transformers.pytorch_utils import Conv1D  # GPT-2's: a linear layer with its weight transposed

    return isinstance(module, nn.Linear | Conv1D)
