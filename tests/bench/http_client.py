"""The HTTP client of the load: one persistent connection like a browser's, with the time that each answer
took."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

CSRF = "0123456789abcdefghijklmnopqrstuv"


@dataclass(frozen=True)
class Answer:
    """An HTTP response. `body` is as sent, compressed or not; `ms` runs from the first byte sent to the last
    received."""

    status: int
    headers: dict[str, str]
    body: bytes
    ms: float


class HttpClient:
    """A client with the `cookie` of a signed-in session. Accepts gzip as every browser does."""

    def __init__(self, url: str, cookie: str = "") -> None:
        address = urlsplit(url)
        self._host, self._port = address.hostname or "", address.port or 80
        self._head = (
            f"Host: {address.netloc}\r\nOrigin: http://{address.netloc}\r\nAccept-Encoding: gzip\r\n"
            f"Accept-Language: zh-CN\r\nX-CSRFToken: {CSRF}\r\nCookie: csrftoken={CSRF}; {cookie}\r\n"
        )
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def get(self, path: str, **headers: str) -> Answer:
        return await self._request("GET", path, {"Accept": "text/html", **headers}, b"")

    async def post(
        self, path: str, body: bytes = b"{}", kind: str = "application/json", **headers: str
    ) -> Answer:
        sent = {"Accept": "application/json", "Content-Type": kind, **headers}
        return await self._request("POST", path, {**sent, "Content-Length": str(len(body))}, body)

    def close(self) -> None:
        if self._streams is not None:
            self._streams[1].close()
            self._streams = None

    async def _request(self, method: str, path: str, headers: Mapping[str, str], body: bytes) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._streams
        fields = "".join(f"{name.replace('_', '-')}: {value}\r\n" for name, value in headers.items())
        began = time.monotonic()
        writer.write(f"{method} {path} HTTP/1.1\r\n{self._head}{fields}\r\n".encode() + body)
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status, *lines = head.rstrip().split("\r\n")
        fields_received = {
            name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)
        }
        if fields_received.get("transfer-encoding") == "chunked":
            received = await self._read_chunks(reader)
        else:
            received = await reader.readexactly(int(fields_received.get("content-length", 0)))
        took = (time.monotonic() - began) * 1000
        if fields_received.get("connection", "").lower() == "close":
            self.close()
        return Answer(int(status.split()[1]), fields_received, received, took)

    async def _read_chunks(self, reader: asyncio.StreamReader) -> bytes:
        parts = []
        while size := int((await reader.readline()).split(b";")[0], 16):
            parts.append(await reader.readexactly(size))
            await reader.readline()
        await reader.readline()
        return b"".join(parts)
