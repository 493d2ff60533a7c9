"""The HTTP side of a browser: sign-in by the console's form, cookies, CSRF token, and the duration of each request."""

from __future__ import annotations

import asyncio
import json
import re
import ssl
import time
from collections.abc import Coroutine, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlencode, urlsplit

# The status of a request whose response did not arrive completely, so that the client does not know the result.
UNKNOWN = 0
CSRF = "c" * 32
FORM, JSON = "application/x-www-form-urlencoded", "application/json"


T = TypeVar("T")


def run_on_thread(work: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end on a separate thread.

    For blocking tests whose own thread already runs an event loop (Playwright's).
    """
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, work).result()


class SignInFailed(RuntimeError):
    pass


@dataclass(frozen=True)
class Answer:
    """An HTTP response; its status is UNKNOWN if none arrived. `body` has the bytes as received, which may be
    compressed.

    `ms` is the time in milliseconds from the first byte sent to the last byte received.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes
    ms: float

    @property
    def text(self) -> str:
        return self.body.decode("utf-8", "replace")

    @property
    def document(self) -> Any:
        return json.loads(self.body)

    @property
    def refusal(self) -> str:
        """The code of the refusal, or "" if the response is no refusal."""
        is_json = self.body.startswith(b"{")
        return str(self.document.get("refused", {}).get("code", "")) if is_json else ""


class HttpClient:
    """An HTTP client of one server. It is signed in by the given cookies, or by `sign_in`.

    It opens a connection for each request, or one for all requests if `keeps_open` is set. `headers` are sent with each
    request.
    """

    def __init__(
        self,
        url: str,
        cookies: Mapping[str, str] | None = None,
        *,
        keeps_open: bool = False,
        seconds: float = 30.0,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port
        self._ssl = ssl.create_default_context() if address.scheme == "https" else None
        self._seconds = seconds
        self._keeps_open = keeps_open
        self.cookies = {"csrftoken": CSRF, **(cookies or {})}
        origin = f"{address.scheme}://{address.netloc}"
        self._headers = {"Host": address.netloc, "Origin": origin, "Referer": origin, **(headers or {})}
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def sign_in(self, username: str, password: str) -> None:
        """Fill in the console's login form. Raises SignInFailed."""
        page = await self.get("/console/login/")
        token = re.search(r'name="csrfmiddlewaretoken" value="([^"]+)"', page.text)
        if page.status != 200 or token is None:
            raise SignInFailed(
                f"{self._headers['Origin']}/console/login/ answers {page.status} without a form"
            )
        fields = {"csrfmiddlewaretoken": token[1], "login": username, "password": password}
        answer = await self.post("/console/login/", fields)
        if "sessionid" not in self.cookies:
            raise SignInFailed(
                f"{username} cannot sign in at {self._headers['Origin']} (status {answer.status})"
            )

    @property
    def cookie_header(self) -> str:
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    async def get(self, path: str) -> Answer:
        return await self._request("GET", path, {"Accept": "text/html"}, b"")

    async def post(
        self,
        path: str,
        form: Mapping[str, str] | None = None,
        *,
        document: Any = None,
        body: bytes | None = None,
        content_type: str = JSON,
        **headers: str,
    ) -> Answer:
        """Send a POST request with a form, a JSON document, or `body` unchanged."""
        if body is None:
            is_form = document is None
            body = (
                urlencode(form or {}).encode()
                if is_form
                else json.dumps(document, ensure_ascii=False).encode()
            )
            content_type = FORM if is_form else JSON
        sent = {"Accept": JSON, "Content-Type": content_type, "Content-Length": str(len(body))}
        sent |= {name.replace("_", "-"): value for name, value in headers.items()}
        return await self._request("POST", path, sent, body)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        began = time.monotonic()
        streams, self._streams = self._streams, None
        try:
            async with asyncio.timeout(self._seconds):
                if streams is None:
                    port = self._port or (443 if self._ssl else 80)
                    streams = await asyncio.open_connection(self._host, port, ssl=self._ssl)
                began = time.monotonic()
                streams[1].write(self._head(method, path, headers) + body)
                answer = await self._read_answer(streams[0], began)
        except (OSError, TimeoutError, EOFError):
            return Answer(UNKNOWN, {}, b"", (time.monotonic() - began) * 1000)
        else:
            if self._keeps_open and answer.headers.get("connection", "").lower() != "close":
                self._streams, streams = streams, None
            return answer
        finally:
            if streams is not None:
                streams[1].close()

    def _head(self, method: str, path: str, headers: Mapping[str, str]) -> bytes:
        fields = {
            **self._headers,
            "X-CSRFToken": self.cookies["csrftoken"],
            "Cookie": self.cookie_header,
            **headers,
        }
        if not self._keeps_open:
            fields["Connection"] = "close"
        lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
        return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()

    async def _read_answer(self, reader: asyncio.StreamReader, began: float) -> Answer:
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        headers = {}
        for line in lines:
            name, _, value = line.partition(":")
            value = value.strip()
            headers[name.lower()] = value
            if name.lower() == "set-cookie":
                cookie, _, rest = value.partition("=")
                self.cookies[cookie] = rest.partition(";")[0]
        if headers.get("transfer-encoding") == "chunked":
            body = await self._read_chunks(reader)
        else:
            body = await reader.readexactly(int(headers.get("content-length", 0)))
        return Answer(int(status.split()[1]), headers, body, (time.monotonic() - began) * 1000)

    async def _read_chunks(self, reader: asyncio.StreamReader) -> bytes:
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)
