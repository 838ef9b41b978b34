"""The adapter section of a run: one word for the kind, and the options that this kind has.

    AdapterConfig(kind="lora", rank=16, alpha=32)
    AdapterConfig(kind="p-tuning", virtual_tokens=20)

An option left at its default is never refused, so a written config can be read again.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

_LOW_RANK = frozenset({"rank", "alpha", "dropout", "targets", "layers"})
OPTIONS: dict[str, frozenset[str]] = {
    "full": frozenset({"layers"}),
    "lora": _LOW_RANK,
    "dora": _LOW_RANK,
    "qlora": _LOW_RANK,
    "ia3": frozenset(),
    "p-tuning": frozenset({"virtual_tokens", "encoder_hidden"}),
    "prompt-tuning": frozenset({"virtual_tokens"}),
}
"""Which options each kind has."""


class AdapterConfig(BaseModel):
    """What to train. Unknown keys are refused, and so are options that the kind does not have.

    full: the weights themselves. lora: low-rank updates (arXiv 2106.09685). dora: the same with a trained magnitude for
    each output (2402.09353). qlora: lora on a base in 4 bits (2305.14314). ia3: one trained factor for each key, value
    and feed-forward feature (2205.05638). prompt-tuning: trained vectors in front of the input (2104.08691). p-tuning:
    the same, written by a small network (2103.10385).
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    kind: Literal["full", "lora", "dora", "qlora", "ia3", "p-tuning", "prompt-tuning"] = Field(
        "lora", description="which weights are trained"
    )
    rank: int = Field(16, ge=1, description="rank of the update of each matrix")
    alpha: float = Field(32, gt=0, description="the update is scaled by alpha / rank")
    dropout: float = Field(0.0, ge=0, lt=1, description="dropout in front of the update")
    targets: Literal["all-linear"] | list[str] = Field("all-linear", description="linear layers, by their last name")
    layers: int | None = Field(None, ge=1, description="only the top so many layers of each stack; empty: all")
    virtual_tokens: int = Field(20, ge=1, description="number of trained vectors in front of the input")
    encoder_hidden: int | None = Field(
        None, ge=1, description="width of the network that writes them; empty: the model's own"
    )

    @model_validator(mode="after")
    def _no_idle_option(self) -> "AdapterConfig":
        for name, field in type(self).model_fields.items():
            if name == "kind" or name in OPTIONS[self.kind] or getattr(self, name) == field.default:
                continue
            kinds = " or ".join(kind for kind, options in OPTIONS.items() if name in options)
            raise ValueError(f"{name} has no effect with kind: {self.kind}; remove it or choose kind: {kinds}")
        if self.targets == []:
            raise ValueError("targets is an empty list; expected all-linear or names of linear layers")
        return self
