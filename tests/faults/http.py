"""One HTTP request whose answer may be lost. HTTP/1.0: the server closes the connection after the answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode, urlsplit

CSRF = "c" * 32
SECONDS = 6.0

# The status of a request that got no complete answer: the client knows nothing.
UNKNOWN = 0


async def request(
    method: str,
    url: str,
    *,
    form: Mapping[str, str] | None = None,
    document: Any = None,
    cookies: Mapping[str, str] | None = None,
    seconds: float = SECONDS,
) -> tuple[int, str]:
    """Return status and text; the status is UNKNOWN when no complete answer came in time."""
    parts = urlsplit(url)
    assert parts.hostname is not None
    body, kind = b"", ""
    if document is not None:
        body, kind = json.dumps(document).encode(), "application/json"
    elif form is not None:
        body, kind = urlencode(form).encode(), "application/x-www-form-urlencoded"
    headers = {
        "Host": parts.netloc,
        "Origin": f"http://{parts.netloc}",
        "Connection": "close",
        "Content-Length": str(len(body)),
        "HX-Request": "true",
    }
    if kind:
        headers["Content-Type"] = kind
    if cookies:
        headers["Cookie"] = "; ".join(f"{name}={value}" for name, value in cookies.items())
        headers["X-CSRFToken"] = cookies.get("csrftoken", "")
    target = parts.path + (f"?{parts.query}" if parts.query else "")
    head = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
    writer: asyncio.StreamWriter | None = None
    try:
        async with asyncio.timeout(seconds):
            reader, writer = await asyncio.open_connection(parts.hostname, parts.port)
            writer.write(f"{method} {target} HTTP/1.0\r\n{head}\r\n".encode() + body)
            answer = await reader.read(-1)
    except (OSError, TimeoutError):
        return UNKNOWN, ""
    finally:
        if writer is not None:
            writer.close()
    return _parse(answer)


def _parse(answer: bytes) -> tuple[int, str]:
    head, found, body = answer.partition(b"\r\n\r\n")
    lines = head.decode("latin-1").split("\r\n")
    if not found or len(lines[0].split(" ")) < 2:
        return UNKNOWN, ""
    for line in lines[1:]:
        name, _, value = line.partition(":")
        if name.lower() == "content-length" and int(value) != len(body):
            return UNKNOWN, ""
    return int(lines[0].split(" ")[1]), body.decode("utf-8", "replace")
