"""Who answers the calls: a model in this process, sampled from, or one behind an endpoint.

backend = backend_of(LocalModel("smollm2-135m"), recipe)
for reply in backend.replies([query_of(17, prompt, "classification", recipe)]): ...
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from counterpoise.data.example import Message
from counterpoise.errors import UserError
from counterpoise.evaluation.backend import Backend, Query
from counterpoise.instructing.prompts import Recipe
from counterpoise.instructing.record import LABELS

if TYPE_CHECKING:
    from counterpoise.evaluation.evaluate import Subject

PREFIX = "call "


def query_of(call: int, prompt: str, category: str, recipe: Recipe) -> Query:
    """Return the query of a call.

    A model in this process finds the category of its first record and the next label written for it, and where one
    record is wanted it ends at the second: small models lose the form otherwise, and do not end by themselves.
    """
    first, second = (f"{label.capitalize()}:" for label in LABELS[:2])
    return Query(
        id=f"{PREFIX}{call}",
        messages=(Message("user", prompt),),
        max_new_tokens=recipe.max_tokens,
        stop=(f"\n{first}",) if recipe.records == 1 else (),
        prefill=f"{first} {category}\n{second}",
    )


def call_of(reply_id: str) -> int:
    """Return the number of the call that a reply answers."""
    return int(reply_id.removeprefix(PREFIX))


def backend_of(subject: Subject, recipe: Recipe) -> Backend:
    """Load or reach the model, to be asked with the recipe's temperature.

    Raises:
        UserError: an encoder, which writes no text; or as the subject's own ``backend``.
    """
    from counterpoise.evaluation.drawing import Sampling
    from counterpoise.evaluation.encoder_backend import EncoderBackend
    from counterpoise.evaluation.endpoint import EndpointBackend
    from counterpoise.evaluation.local import LocalBackend

    backend = subject.backend()
    if isinstance(backend, EncoderBackend):
        raise UserError(f"{subject.identity().model} is an encoder, which writes no text; name a language model")
    if isinstance(backend, EndpointBackend):
        return EndpointBackend(backend.client, form=backend.form, temperature=recipe.temperature, seed=recipe.seed)
    if isinstance(backend, LocalBackend) and recipe.temperature > 0:
        return backend.drawing(Sampling(recipe.temperature, recipe.top_p, recipe.seed))
    return backend
