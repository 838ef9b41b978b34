"""Requests to one public web service of biology, paced, and sent again where that may help.

    client = ServiceClient("https://biit.cs.ut.ee/gprofiler", per_second=1)
    client.ask("POST", "/api/gost/profile/", read=lambda body: body["result"], json={...})

Sent again, as `endpoints.waiting` says: time-outs, lost connections, 408, 409, 425, 429 and 5xx, and bodies that are
not JSON (a page that says "busy"). Not sent again: other refusals, and JSON of another shape than the documented one.
After `REST_AFTER` requests in a row that got nothing, the service is left alone for `REST` seconds, so that thousands
of gene sets do not each wait for a server that is down. Nothing of a request or of requests' own messages stands in an
error: they may hold a key.
"""

from __future__ import annotations

import json as json_text
import random
import threading
import time
from collections.abc import Callable
from typing import Any, TypeVar

import requests
from urllib3.exceptions import NameResolutionError, NewConnectionError, ReadTimeoutError

from counterpoise import __version__
from counterpoise.biology.verification.finding import clean
from counterpoise.biology.verification.pace import Pace
from counterpoise.endpoints.address import is_loopback
from counterpoise.endpoints.waiting import may_pass, retry_after, wait_before

T = TypeVar("T")

PATIENCE = 120.0
"""Seconds; a Retry-After beyond it ends the request."""
REST_AFTER, REST = 3, 300.0
"""Requests in a row without an answer, and the seconds that the service is then left alone."""
LARGEST = 20_000_000
"""Bytes of an answer that are read; a longer one is a failure."""


class ServiceFailed(RuntimeError):  # noqa: N818 - a request that failed, not an error of ours
    """The service gave no usable answer; the message says why, in a phrase."""


class _Passing(Exception):  # noqa: N818
    """What another attempt may mend; ``wait``: the least number of seconds before it."""

    def __init__(self, reason: str, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.wait = wait


class ServiceClient:
    """Asks one service; may be used from several threads.

    Args:
        base: address that paths are added to.
        per_second: requests a second at most, attempts counted.
        timeout: seconds without a byte from the service.
        retries: attempts after the first.
        secret: a key that goes into the parameters; taken out of what the service says.
        clock, sleep: seconds of any origin, and waiting.
    """

    def __init__(
        self,
        base: str,
        *,
        per_second: float,
        timeout: float = 30.0,
        retries: int = 3,
        secret: str = "",
        clock: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], object] = time.sleep,
    ) -> None:
        self.base = base.rstrip("/")
        self.pace = Pace(per_second, clock, sleep)
        self._timeout, self._retries, self._secret = timeout, retries, secret
        self._clock, self._sleep = clock, sleep
        self._random = random.Random()
        self._lock = threading.Lock()
        self._failed = 0  # requests in a row without an answer
        self._rests_until = -float("inf")
        self._session = requests.Session()
        self._session.max_redirects = 5
        self._session.trust_env = not is_loopback(self.base)
        self._session.auth = lambda request: request  # nobody looks for a .netrc
        self._session.headers["User-Agent"] = f"counterpoise/{__version__}"

    def ask(self, method: str, path: str, read: Callable[[Any], T], **content: Any) -> T:
        """Send, and return ``read(body)``.

        Args:
            method: GET or POST.
            path: after the base address.
            read: takes what it needs out of the decoded JSON; ValueError, TypeError, KeyError, IndexError and
                AttributeError say that the body is not what the service documents.
            content: ``params``, ``json``, ``data`` or ``files``, as requests takes them. A key belongs into ``data``:
                the address of a request stands in logs.

        Raises:
            ServiceFailed: refused, resting, no answer after all attempts, or an answer of another shape.
        """
        if (rest := self._rests_until - self._clock()) > 0:
            raise ServiceFailed(f"not asked: its last {REST_AFTER} requests failed; asked again in {rest:.0f} s")
        for attempt in range(self._retries + 1):
            self.pace.wait()
            try:
                body = self._once(method, path, content)
            except _Passing as problem:
                if attempt == self._retries or problem.wait > PATIENCE:
                    self._count_failure()
                    asked = f", which asks to wait {problem.wait:.0f} s" if problem.wait > PATIENCE else ""
                    tried = f" ({attempt + 1} attempts)" if attempt else ""
                    raise ServiceFailed(f"{problem}{asked}{tried}") from None
                if problem.wait:
                    self.pace.hold(problem.wait)  # it was said to all of us
                self._sleep(wait_before(attempt, problem.wait, self._random))
            else:
                self._failed = 0
                return self._read(body, read)
        raise AssertionError("the last attempt returns or raises")

    def _once(self, method: str, path: str, content: dict[str, Any]) -> Any:
        try:
            with self._session.request(
                method,
                self.base + path,
                timeout=self._timeout,
                allow_redirects=method == "GET",  # a redirected POST would arrive as a GET without its body
                stream=True,
                **content,
            ) as response:
                data = _at_most(response, LARGEST)
        except requests.RequestException as error:
            raise _Passing(self._lost(error)) from None
        status = response.status_code
        if may_pass(status):
            raise _Passing(self._refusal(status, data), retry_after(response.headers.get("Retry-After", "")))
        if not 200 <= status < 300:
            raise ServiceFailed(self._refusal(status, data))
        try:
            return json_text.loads(data)
        except (ValueError, RecursionError):
            html = data.lstrip()[:1] == b"<"
            raise _Passing("it answered with a web page, not JSON" if html else "its answer is not JSON") from None

    def _read(self, body: Any, read: Callable[[Any], T]) -> T:
        try:
            return read(body)
        except (ValueError, TypeError, KeyError, IndexError, AttributeError):
            said = self._said(body)
            reason = "its answer is not of the documented form" + (f": {said}" if said else "")
            raise ServiceFailed(reason) from None

    def _lost(self, error: requests.RequestException) -> str:
        cause = error.args[0] if error.args else None
        cause = getattr(cause, "reason", cause)
        if isinstance(error, requests.Timeout) or isinstance(cause, ReadTimeoutError):
            return f"no answer within {self._timeout:g} s"
        if isinstance(error, requests.exceptions.SSLError):
            return "no secure connection could be made"
        if isinstance(cause, NameResolutionError):
            return "its host is unknown; is there a network?"
        if isinstance(cause, NewConnectionError):
            return "no connection: nothing answers at its address"
        return "the connection was closed before the answer was complete"

    def _refusal(self, status: int, data: bytes) -> str:
        try:
            said = self._said(json_text.loads(data))
        except (ValueError, RecursionError):
            said = ""
        return f"refused with status {status}" + (f": {said}" if said else "")

    def _said(self, body: object) -> str:
        """Return the service's own words on what is wrong, without the key."""
        for name in ("error", "message", "detail"):
            if isinstance(body, dict) and name in body:
                body = body[name]
        text = body if isinstance(body, str) else ""
        if self._secret:
            text = text.replace(self._secret, "[API key]")
        return clean(text, 200)

    def _count_failure(self) -> None:
        with self._lock:
            self._failed += 1
            if self._failed >= REST_AFTER:
                self._failed, self._rests_until = 0, self._clock() + REST


def _at_most(response: requests.Response, most: int) -> bytes:
    """Return the body; ServiceFailed if it is longer than ``most`` bytes."""
    parts: list[bytes] = []
    size = 0
    for part in response.iter_content(65536):
        size += len(part)
        if size > most:
            raise ServiceFailed(f"its answer is longer than {most // 1_000_000} MB")
        parts.append(part)
    return b"".join(parts)
