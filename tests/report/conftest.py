"""Fixtures of all pages' tests."""

from browser import browser

__all__ = ["browser"]
