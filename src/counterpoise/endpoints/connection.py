"""One request to an endpoint, sent again where that may help.

    connection = Connection("http://localhost:8000")
    connection.request("GET", "/models", None, read=lambda body: body["data"])

Sent again, after waits that double with a random part (and never shorter than the server's Retry-After): time-outs,
lost connections, 408, 409, 425, 429, 5xx (not 501), and bodies that are not what the interface promises. Not sent
again: other refusals. A refusal that every request would meet (wrong key, wrong address, unknown host) is an
`EndpointUnusable` if nothing has been answered before; what concerns one request alone is a `RequestFailed`.

The key goes into the Authorization header and nowhere else: where a server repeats it, it is taken out of the text.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

from counterpoise.endpoints.address import KEY_VARIABLES, base_address, find_key, is_loopback
from counterpoise.endpoints.waiting import may_pass, retry_after, wait_before
from counterpoise.errors import UserError

T = TypeVar("T")

PATIENCE = 600.0
"""Seconds; a Retry-After beyond it ends the request."""
FOR_ALL = (401, 402, 403, 404, 405)
"""Refusals that other requests would meet as well."""
SECRET_LENGTH = 12
"""Shorter keys are stand-ins such as EMPTY; answers may hold such a word for other reasons."""


class RequestFailed(RuntimeError):  # noqa: N818 - a request that failed, not an error of ours
    """One request got no answer; the message says why. ``status`` is that of the last response, if there was one."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class EndpointUnusable(UserError):  # noqa: N818
    """No request to this endpoint, or to this path of it, would be answered. ``status`` as in `RequestFailed`."""

    def __init__(self, message: str, status: int | None = None) -> None:
        super().__init__(message)
        self.status = status


class _Passing(Exception):  # noqa: N818
    """What another attempt may mend; ``wait``: the least number of seconds before it."""

    def __init__(self, reason: str, status: int | None = None, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.status, self.wait = status, wait


class _NobodyThere(_Passing):
    """No connection could be made."""


class BearerToken(requests.auth.AuthBase):
    """Sets the Authorization header, or leaves it out; either way requests does not look for a .netrc."""

    def __init__(self, key: str) -> None:
        self._key = key

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._key:
            request.headers["Authorization"] = f"Bearer {self._key}"
        return request


class Connection:
    """Sends requests to one endpoint; may be used from several threads.

    Args:
        url: see `address.base_address`.
        api_key: else that of the environment variable COUNTERPOISE_API_KEY, or at OpenAI OPENAI_API_KEY, else none.
        timeout: seconds without a byte from the server.
        retries: attempts after the first.
        parallel: connections kept open.
        sleep: waits between attempts, in seconds.
    """

    def __init__(
        self,
        url: str,
        *,
        api_key: str | None = None,
        timeout: float = 60.0,
        retries: int = 5,
        parallel: int = 4,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        if timeout <= 0 or retries < 0 or parallel < 1:
            raise UserError(
                f"endpoint: timeout is {timeout}, retries {retries}, parallel {parallel}; "
                "expected above 0, at least 0 and at least 1"
            )
        self.base = base_address(url)
        self._key = find_key(api_key, self.base)
        self._timeout, self._retries, self._sleep = timeout, retries, sleep
        self._random = random.Random()
        self._session = requests.Session()
        self._session.trust_env = not is_loopback(self.base)
        adapter = requests.adapters.HTTPAdapter(pool_maxsize=parallel)
        self._session.mount("http://", adapter)
        self._session.mount("https://", adapter)
        self._heard = False  # the server has responded, with whatever
        self._proven: set[str] = set()  # paths that have given a good answer

    def request(
        self, method: str, path: str, payload: Mapping[str, Any] | None, read: Callable[[Any], T], about: str = ""
    ) -> T:
        """Send, and return ``read(body)``.

        Args:
            method: GET or POST.
            path: after the base address, such as ``/models``.
            payload: JSON to send.
            read: takes what it needs out of the decoded body; ValueError, TypeError, KeyError and IndexError say that
                the body is not what it should be.
            about: who is asked for, for messages: ``model 'x'``.

        Raises:
            RequestFailed: refused, or no answer after all attempts.
            EndpointUnusable: a `UserError`; no request would be answered.
        """
        for attempt in range(self._retries + 1):
            try:
                found = self._once(method, path, payload, read, about)
            except _Passing as problem:
                if attempt == self._retries or problem.wait > PATIENCE:
                    raise self._given_up(problem, attempt + 1) from None
                self._sleep(wait_before(attempt, problem.wait, self._random))
            else:
                self._proven.add(path)
                return found
        raise AssertionError("the last attempt returns or raises")

    def _given_up(self, problem: _Passing, attempts: int) -> Exception:
        asked = f", which asks to wait {problem.wait:.0f} s" if problem.wait > PATIENCE else ""
        tried = f" ({attempts} attempts)" if attempts > 1 else ""
        if isinstance(problem, _NobodyThere) and not self._heard:
            return EndpointUnusable(f"{self.base}: {problem}{tried}; start the server or correct the address")
        return RequestFailed(f"{problem}{asked}{tried}", problem.status)

    def _once(
        self, method: str, path: str, payload: Mapping[str, Any] | None, read: Callable[[Any], T], about: str
    ) -> T:
        try:
            response = self._session.request(
                method,
                self.base + path,
                json=payload,
                auth=BearerToken(self._key),
                timeout=self._timeout,
                allow_redirects=False,
            )
        except requests.RequestException as error:
            raise self._lost(error) from None
        self._heard = True
        status, content = response.status_code, response.content
        if len(self._key) >= SECRET_LENGTH:
            content = content.replace(self._key.encode(), b"[API key]")
        if not 200 <= status < 300:
            raise self._refused(status, response, content, path, about)
        try:
            body = json.loads(content)
        except (ValueError, RecursionError):
            raise _Passing("the body of the answer is not JSON", status) from None
        try:
            return read(body)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            said = self._said(content)
            reason = "the answer lacks what the interface promises" + (f": {said}" if said else "")
            raise _Passing(reason, status) from None

    def _lost(self, error: requests.RequestException) -> Exception:
        """Say what became of a request that got no response."""
        cause = error.args[0] if error.args else None
        cause = getattr(cause, "reason", cause)
        if isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
            return _Passing(f"no answer within {self._timeout:g} s")
        if isinstance(error, requests.exceptions.SSLError) and not self._heard:
            return EndpointUnusable(
                f"{self.base}: no secure connection ({type(cause).__name__}); check address and certificate"
            )
        if isinstance(cause, NameResolutionError):
            if not self._heard:
                return EndpointUnusable(f"{self.base}: the host is unknown; check the address and the network")
            return _Passing("the host's name could not be looked up")
        if isinstance(cause, NewConnectionError):
            return _NobodyThere("no connection: nothing answers at this address")
        return _Passing("the connection was closed before the answer was complete")

    def _refused(self, status: int, response: requests.Response, content: bytes, path: str, about: str) -> Exception:
        """Turn a status that is no success into what is to be raised."""
        said = self._said(content)
        reason = f"refused with status {status}" + (f": {said}" if said else "")
        if may_pass(status):
            return _Passing(reason, status, retry_after(response.headers.get("Retry-After", "")))
        if path in self._proven or (status not in FOR_ALL and not 300 <= status < 400):
            return RequestFailed(reason, status)
        if status in (401, 403):
            return EndpointUnusable(f"{self.base}: {reason}; set {KEY_VARIABLES[0]} to a key that it accepts", status)
        if status == 402:
            return EndpointUnusable(f"{self.base}: {reason}; the account of this key has to be paid up", status)
        asked = f" and {about}" if about else ""
        advice = f"check the address (usually up to and including /v1){asked}"
        return EndpointUnusable(f"{self.base}{path}: {reason}; {advice}", status)

    def _said(self, content: bytes) -> str:
        """Return the server's own words on what is wrong, on one line, without the key."""
        text = content.decode("utf-8", "replace")
        try:
            body = json.loads(text)
        except (ValueError, RecursionError):
            return ""
        for name in ("error", "detail", "message"):
            if isinstance(body, dict) and name in body:
                body = body[name]
        if isinstance(body, dict):
            body = body.get("message", "")
        said = " ".join(body.split()) if isinstance(body, str) else ""
        if self._key:
            said = said.replace(self._key, "[API key]")
        return said if len(said) <= 300 else said[:297] + "..."
