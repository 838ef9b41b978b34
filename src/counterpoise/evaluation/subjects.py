"""What is evaluated: a model in this process, or one behind an OpenAI-compatible endpoint.

LocalModel("smollm2-135m")                          # an alias, hub id, folder, run folder or .gguf file
LocalModel("smollm2-135m+runs/first/model")         # a model with an adapter on it
EndpointModel("http://localhost:8000")              # vLLM and others
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import yaml

from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Backend
from counterpoise.evaluation.evaluate import Identity, folder_fingerprint

logger = logging.getLogger(__name__)
Precision = Literal["auto", "float32", "bfloat16"]


@dataclass
class LocalModel:
    """A model in this process.

    Attributes:
        name: see above. Of a run folder its ``model`` is taken.
        format: how prompts are written: auto, chat, plain or completion (`evaluation.prompt_format`).
        precision: of the frozen weights; float32 for numbers that other tools should reproduce.
        rows: queries a batch.
        batch_tokens: tokens whose keys and values are held at once.
        truncate: cut prompts that are longer than the model's context, and count them, instead of an error.
        say: told what is happening.
    """

    name: str
    format: str = "auto"
    precision: Precision = "auto"
    rows: int = 16
    batch_tokens: int = 16_384
    truncate: bool = False
    say: Callable[[str], None] = field(default=logger.info, repr=False)

    def __post_init__(self) -> None:
        self._base, self._own = name_parts(self.name)
        self._trained = _run_of(Path(self._own))

    def identity(self) -> Identity:
        """Return which model this is; objective, adapter and seed come from the run folder it lies in, if it does."""
        return self._identity

    @cached_property
    def _identity(self) -> Identity:
        from counterpoise.models.fetch import resolve

        resolved = resolve(self._own, on_progress=self.say)
        trained = self._trained
        return Identity(
            model=trained.get("model", self.name),
            objective=trained.get("objective", "none"),
            adapter=trained.get("adapter", "none"),
            seed=trained.get("seed", 0),
            detail=resolved.detail,
            fingerprint=folder_fingerprint(resolved.path),
        )

    def settings(self) -> dict[str, Any]:
        """Return what the answers depend on."""
        return {"identity": asdict(self.identity()), "format": self.format, "precision": self.precision}

    def backend(self) -> Backend:
        """Load the model."""
        from counterpoise.evaluation.encoder_backend import EncoderBackend
        from counterpoise.evaluation.local import LocalBackend
        from counterpoise.evaluation.prompt_format import prompt_format
        from counterpoise.models.encoder import is_trained_encoder, load_encoder
        from counterpoise.models.fetch import resolve
        from counterpoise.models.load import load_model
        from counterpoise.training.ranks import main_first, own_device

        resolved = resolve(self._own, on_progress=self.say)
        with main_first():
            if is_trained_encoder(resolved):
                return EncoderBackend(load_encoder(resolved, dtype=self.precision, device=own_device()), self.rows)
            loaded = load_model(
                resolved, dtype=self.precision, device=own_device(), base=self._base, on_progress=self.say
            )
        form = prompt_format(loaded, self.format, truncate=self.truncate)
        return LocalBackend(loaded, form, rows=self.rows, batch_tokens=self.batch_tokens)


@dataclass
class EndpointModel:
    """A model behind an endpoint.

    Attributes:
        url: such as http://localhost:8000.
        model: its name there; None: the only one that it serves.
        form: "chat", or "completion" for log-likelihoods of options (echoed log-probabilities, as vLLM gives them).
        timeout: seconds a request may take.
        retries: how often a request is tried again.
        parallel: requests at a time.
    """

    url: str
    model: str | None = None
    form: Literal["chat", "completion"] = "chat"
    timeout: float = 60.0
    retries: int = 5
    parallel: int = 4

    @cached_property
    def _client(self) -> Any:
        from counterpoise.endpoints import EndpointClient

        return EndpointClient(
            self.url, model=self.model, timeout=self.timeout, retries=self.retries, parallel=self.parallel
        )

    def identity(self) -> Identity:
        """Return the endpoint's model; its weights are not known."""
        return Identity(model=self._client.model, detail=f"endpoint {self._client.url}")

    def settings(self) -> dict[str, Any]:
        """Return what the answers depend on."""
        return {"identity": asdict(self.identity()), "format": self.form, "precision": "endpoint"}

    def backend(self) -> Backend:
        """Reach the endpoint."""
        from counterpoise.evaluation.endpoint import EndpointBackend

        return EndpointBackend(self._client, form=self.form)


def name_parts(name: str) -> tuple[str | None, str]:
    """Return (base, model): ``base+adapter`` parted, a run folder replaced by the model in it."""
    base, plus, own = name.rpartition("+")
    if not plus or Path(name).exists():
        base, own = "", name
    folder = Path(own).expanduser()
    if (folder / "run.yaml").is_file():
        if not (folder / "model").is_dir():
            raise UserError(f"{own}: this run has no model yet; finish it with `counterpoise train`")
        own = str(folder / "model")
    return base or None, own


def _run_of(folder: Path) -> dict[str, Any]:
    """Return what the run folder around a model says of it; empty if there is none."""
    path = folder.expanduser().parent / "run.yaml"
    if not path.is_file():
        return {}
    try:
        config = yaml.safe_load(path.read_text(encoding="utf-8"))
        options = {key: value for key, value in config["objective"].items() if key != "name"}
        told = ", ".join(f"{key}={value}" for key, value in options.items())
        return {
            "model": config["model"]["name"],
            "objective": config["objective"]["name"] + (f" ({told})" if told else ""),
            "adapter": config["adapter"]["kind"],
            "seed": config["training"]["seed"],
        }
    except (yaml.YAMLError, KeyError, TypeError, AttributeError):
        return {}
