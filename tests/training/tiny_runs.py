"""Small parts for training tests: encoded examples of many lengths, a loaded tiny model, a callback that keeps
gradients."""

import random
from pathlib import Path

from transformers import TrainerCallback

from counterpoise.data.encoded import Encoded
from counterpoise.data.example import Example, Message
from counterpoise.data.rendering import Renderer
from counterpoise.models.adapters import AdapterConfig
from counterpoise.models.load import LoadedModel, load_model

WORDS = ["alpha", "beta", "gamma", "delta", "epsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu"]


def load_tiny(folder: Path, **adapter) -> LoadedModel:
    return load_model(folder, dtype="float32", adapter=AdapterConfig(**({"kind": "full"} | adapter)))


def examples(count: int, seed: int = 0) -> list[Example]:
    rng = random.Random(seed)
    made = []
    for i in range(count):
        question = " ".join(rng.choices(WORDS, k=rng.randint(1, 4)))
        answer = " ".join(rng.choices(WORDS, k=rng.randint(1, 5)))
        made.append(Example((Message("user", question), Message("assistant", answer)), source=f"row {i}"))
    return made


def encode(loaded: LoadedModel, count: int, seed: int = 0) -> list[Encoded]:
    renderer = Renderer(loaded.tokenizer, max_length=120)
    return [renderer.encode(example) for example in examples(count, seed)]


class Gradients(TrainerCallback):
    """Keeps the gradients of every optimiser step, before clipping has any effect on the parameters."""

    def __init__(self):
        self.steps = []

    def on_pre_optimizer_step(self, args, state, control, model=None, **kwargs):
        self.steps.append({n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None})
