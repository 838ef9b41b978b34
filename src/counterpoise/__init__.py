"""Counterpoise: balanced fine-tuning of language models on biomedical knowledge."""

__version__ = "0.1.0"
