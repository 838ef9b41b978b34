"""Addresses and keys: what is accepted, and that a key is never shown."""

import pytest

from counterpoise.endpoints.address import base_address, find_key, is_loopback
from counterpoise.errors import UserError


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("http://localhost:8000", "http://localhost:8000/v1"),
        ("http://localhost:8000/", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1", "http://localhost:8000/v1"),
        ("http://localhost:8000/v1/", "http://localhost:8000/v1"),
        (" https://host.example/api/v1/chat/completions ", "https://host.example/api/v1"),
        ("http://[::1]:8000", "http://[::1]:8000/v1"),
    ],
)
def test_forms_of_an_address(given, used):
    assert base_address(given) == used


@pytest.mark.parametrize("given", ["ftp://host", "host:8000", "", "http://", "http://h:99999", "http://h/v1?key=abc"])
def test_what_is_no_address_is_refused(given):
    with pytest.raises(UserError, match=r"expected a form such as|more than host and path"):
        base_address(given)


def test_a_password_in_the_address_is_refused_and_not_shown():
    with pytest.raises(UserError, match="COUNTERPOISE_API_KEY") as caught:
        base_address("https://me:secret-word@host/v1")
    assert "secret-word" not in str(caught.value)


def test_loopback_addresses():
    assert is_loopback("http://127.0.0.1:1/v1")
    assert is_loopback("http://[::1]:1/v1")
    assert not is_loopback("http://192.0.2.1/v1")


def test_keys_are_asked_for_in_order(monkeypatch):
    monkeypatch.delenv("COUNTERPOISE_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    openai, other = "https://api.openai.com/v1", "https://api.example.org/v1"
    assert find_key(None, openai) == ""
    monkeypatch.setenv("OPENAI_API_KEY", "second\n")
    assert find_key(None, openai) == "second"
    for base in (
        other,
        "http://api.openai.com/v1",
        "https://api.openai.com.example.org/v1",
        "https://notopenai.com/v1",
    ):
        assert find_key(None, base) == "", "it was not set for them"
    monkeypatch.setenv("COUNTERPOISE_API_KEY", "first")
    assert find_key(None, openai) == find_key(None, other) == "first"
    assert find_key("given", other) == "given"


@pytest.mark.parametrize("key", ["two words", "line\nbreak", "naïve-key"])
def test_a_key_that_fits_no_header_is_refused_and_not_shown(key):
    with pytest.raises(UserError, match="api_key") as caught:
        find_key(key, "https://api.example.org/v1")
    assert key not in str(caught.value)
