"""Training. The faces for people who use TRL are imported when first asked for, since TRL takes seconds to import."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from counterpoise.training.balanced import BalancedSFTConfig, BalancedSFTTrainer

__all__ = ["BalancedSFTConfig", "BalancedSFTTrainer"]


def __getattr__(name: str) -> Any:
    if name in __all__:
        from counterpoise.training import balanced

        return getattr(balanced, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
