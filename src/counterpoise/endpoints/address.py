"""What a user says of an endpoint: its address and its key.

>>> base_address("http://localhost:8000")
'http://localhost:8000/v1'
>>> base_address("https://openrouter.ai/api/v1/")
'https://openrouter.ai/api/v1'
"""

from __future__ import annotations

import ipaddress
import os
from urllib.parse import urlsplit

from counterpoise.errors import UserError

KEY_VARIABLES = ("COUNTERPOISE_API_KEY", "OPENAI_API_KEY")
"""Environment variables that are asked for a key, in this order; the second for OpenAI's own servers alone."""
OPENAI = (".openai.com", ".openai.azure.com")


def base_address(url: str) -> str:
    """Return the address that paths such as ``/chat/completions`` are added to.

    A bare host gets ``/v1``; a path is taken as it is, without a closing slash or one of the interface's own paths.

    Raises:
        UserError: not http or https, no host, or a user name, a query or a fragment in it.
    """
    form = "expected a form such as http://localhost:8000 or https://host/v1"
    try:
        parts = urlsplit(url.strip())
        host, port = parts.hostname, parts.port
    except ValueError as error:
        raise UserError(f"endpoint address {url!r} cannot be read ({error}); {form}") from None
    if parts.username is not None or parts.password is not None:
        raise UserError(f"the endpoint address holds a user name; {form}, and the key in {KEY_VARIABLES[0]}")
    if parts.scheme not in ("http", "https") or not host:
        raise UserError(f"endpoint address {url!r} is no http or https address; {form}")
    if parts.query or parts.fragment or any(c.isspace() for c in url.strip()):
        raise UserError(f"the endpoint address of {host} holds more than host and path; {form}")
    path = parts.path.rstrip("/")
    for ending in ("/chat/completions", "/completions", "/models"):
        path = path.removesuffix(ending)
    name = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{name}{f':{port}' if port is not None else ''}{path or '/v1'}"


def is_loopback(base: str) -> bool:
    """True for this machine; such an endpoint is never asked through a proxy.

    >>> is_loopback("http://localhost:8000/v1"), is_loopback("https://api.example.org/v1")
    (True, False)
    """
    host = urlsplit(base).hostname or ""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def find_key(given: str | None, base: str) -> str:
    """Return the key that was given, or the environment's for that address; empty if there is none.

    OPENAI_API_KEY goes to OpenAI's servers by https and to nobody else: it was not set for the endpoint that is named.

    Raises:
        UserError: a key that cannot stand in an HTTP header (it is not shown).
    """
    parts = urlsplit(base)
    at_openai = parts.scheme == "https" and (parts.hostname or "").endswith(OPENAI)
    names = KEY_VARIABLES if at_openai else KEY_VARIABLES[:1]
    candidates = {"api_key": given, **{name: os.environ.get(name) for name in names}}
    for name, value in candidates.items():
        key = (value or "").strip()
        if not key:
            continue
        if not (key.isascii() and key.isprintable() and " " not in key):
            raise UserError(f"the API key in {name} holds blanks or characters outside ASCII; expected the bare key")
        return key
    return ""
