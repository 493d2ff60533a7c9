"""Measures the cost of hostile files, bodies and texts: peak memory, seconds, and the answer."""

from __future__ import annotations

import asyncio
import json
import os
import socket
import subprocess
import sys
import threading
import time
import zlib
from collections.abc import Coroutine, Mapping
from contextlib import suppress
from io import BytesIO
from struct import pack
from typing import Any
from uuid import uuid4

from PIL import Image

from tests.bench import load, servers
from tests.bench.load import Tally, Visitor, http_client
from tests.bench.plan import Plan
from tests.bench.process_cost import memory_kb, process_tree
from tests.bench.rows import Row
from tests.bench.servers import Running
from tests.harness.http_client import Answer
from tests.harness.servers.process import ROOT

SAMPLE_SECONDS = 0.02
# Memory that the server has not released after this many seconds counts as kept.
SETTLE_SECONDS = 2.0
BODY_BYTES = 300 * 1024 * 1024
SIDE = 6300  # A square picture of 39.7 megapixels.
DECODED_SIDE = 4000  # The largest colour picture that is decoded: 16 megapixels.
OWN_PROCESS = ("xlsx_far_right", "xlsx_strings", "xlsx_runs", "csv_wide", "differences")
ROWS = (
    "hostile_png_mb",
    "hostile_six_pngs_mb",
    "hostile_six_largest_pngs_mb",
    "hostile_deep_png_mb",
    "hostile_body_mb",
    "hostile_json_mb",
    *(f"hostile_{name}_mb" for name in OWN_PROCESS),
)


class PeakMemory(threading.Thread):
    """Measures the peak memory of a server and its children inside the `with` block, in MB above the memory before
    it."""

    def __init__(self, pid: int) -> None:
        super().__init__()
        self._pid = pid
        self._is_over = threading.Event()
        self._before = self._maximum = self._memory_now()
        self.mb = self.kept_mb = self.seconds = 0.0

    def __enter__(self) -> PeakMemory:
        self._began = time.monotonic()
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.seconds = time.monotonic() - self._began
        self._is_over.set()
        self.join()
        time.sleep(SETTLE_SECONDS)
        self.mb, self.kept_mb = (
            (self._maximum - self._before) / 1024,
            (self._memory_now() - self._before) / 1024,
        )

    def run(self) -> None:
        while not self._is_over.wait(SAMPLE_SECONDS):
            self._maximum = max(self._maximum, self._memory_now())

    def _memory_now(self) -> float:
        total = 0.0
        for pid in process_tree(self._pid):
            # A child process may have ended since it was listed.
            with suppress(OSError, RuntimeError):
                total += memory_kb(pid)
        return total


def hostile_rows(plan: Plan) -> list[Row]:
    rows = []
    with servers.lianxin() as running:
        staff = running.create_staff(agents=1)
        _warm_up(running)
        transparent = _png(Image.new("RGBA", (SIDE, SIDE)))
        rows.append(_measured(running, "png", _upload(running, [transparent]), transparent))
        rows.append(_measured(running, "six_pngs", _upload(running, [transparent] * 6), transparent))
        largest = _png(Image.new("RGBA", (DECODED_SIDE, DECODED_SIDE)))
        rows.append(_measured(running, "six_largest_pngs", _upload(running, [largest] * 6), largest))
        deep = _deep_png()
        rows.append(_measured(running, "deep_png", _upload(running, [deep]), deep))
        rows.append(_measured(running, "body", asyncio.to_thread(_chunked, running.app.port)))
        rows.append(_measured(running, "json", _nested(running.app.url, staff.agents[0])))
    return [*rows, *(_row_in_own_process(name) for name in OWN_PROCESS)]


def _measured(running: Running, name: str, work: Coroutine[Any, Any, str], data: bytes = b"") -> Row:
    with PeakMemory(running.app.pid) as peak:
        result = load.run(work)
    size = f"{len(data) / 1024:.0f} KB each; " if data else ""
    how = f"daphne with its children; {size}{peak.seconds:.1f} s, {peak.kept_mb:.0f} MB kept; {result}"
    return Row(f"hostile_{name}_mb", peak.mb, f"{how}; load average {os.getloadavg()[0]:.1f}")


def _row_in_own_process(name: str) -> Row:
    """Measure a row in a separate process, which does nothing else and reports its own memory. Return the row."""
    run = subprocess.run(
        [sys.executable, "-m", "tests.bench.hostile_text", name],
        cwd=ROOT, capture_output=True, text=True, check=True,
        env={**os.environ, "DJANGO_SETTINGS_MODULE": "config.settings", "LIANXIN_SECRET_KEY": servers.SECRET_KEY},
    )  # fmt: skip
    mb, how = json.loads(run.stdout)
    return Row(f"hostile_{name}_mb", mb, f"{how}; load average {os.getloadavg()[0]:.1f}")


def _warm_up(running: Running) -> None:
    """Upload a harmless picture, so that the modules loaded by a process's first upload do not count as cost."""
    load.run(_upload(running, [_png(Image.new("RGB", (8, 8), "red"))]))


async def _upload(running: Running, pictures: list[bytes]) -> str:
    """Upload all pictures at once, each as a different visitor. Return the distinct answers."""
    visitors = [Visitor(running.app.websocket_url, Tally()) for _ in pictures]
    await load.run_all(visitor.open() for visitor in visitors)
    await load.run_all(visitor.start() for visitor in visitors)

    async def send(visitor: Visitor, data: bytes) -> Answer:
        client = http_client(running.app.url)
        fields = {"client_id": str(uuid4()), "conversation": visitor.conversation}
        kind, body = _multipart(fields, data)
        try:
            return await client.post(
                "/chat/attachments", body=body, content_type=kind, Authorization=f"Bearer {visitor.token}"
            )
        finally:
            client.close()

    answers = await asyncio.gather(*map(send, visitors, pictures))
    return "answered " + ", ".join(sorted({_describe(answer) for answer in answers}))


def _describe(answer: Answer) -> str:
    body = answer.body
    with suppress(zlib.error):
        body = zlib.decompress(body, wbits=31)
    refused = json.loads(body).get("refused", {})
    return f"{answer.status} {refused.get('code', 'accepted')}"


def _multipart(fields: dict[str, str], data: bytes) -> tuple[str, bytes]:
    parts = [
        f'--x\r\nContent-Disposition: form-data; name="{name}"\r\n\r\n{value}\r\n'
        for name, value in fields.items()
    ]
    parts.append(
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.png"\r\nContent-Type: image/png\r\n\r\n'
    )
    return "multipart/form-data; boundary=x", "".join(parts).encode() + data + b"\r\n--x--\r\n"


async def _nested(url: str, cookies: Mapping[str, str]) -> str:
    client = http_client(url, cookies)
    answer = await client.post("/console/points/find", body=b"[" * 100_000)
    client.close()
    return f"answered {_describe(answer)}"


def _chunked(port: int) -> str:
    """Send a body of unknown length without being signed in. Return how much was sent before the answer arrived."""
    piece = b" " * 65536
    chunk = f"{len(piece):x}\r\n".encode() + piece + b"\r\n"
    sent = 0
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        head = (
            f"POST /console/login/ HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nTransfer-Encoding: chunked\r\n\r\n"
        )
        connection.sendall(head.encode())
        connection.settimeout(0.0001)
        answer = b""
        while not answer and sent < BODY_BYTES:
            with suppress(TimeoutError):
                answer = connection.recv(65536)
                break
            connection.settimeout(60)
            with suppress(ConnectionError):
                connection.sendall(chunk)
            connection.settimeout(0.0001)
            sent += len(chunk)
        connection.settimeout(60)
        answer = answer or connection.recv(65536)
    return (
        f"answered {answer[9:12].decode()} after {sent / 1024 / 1024:.1f} of {BODY_BYTES // 1024 // 1024} MB"
    )


def _png(picture: Image.Image) -> bytes:
    content = BytesIO()
    picture.save(content, "PNG")
    return content.getvalue()


def _deep_png() -> bytes:
    """Return a 16-bit grey picture, as scanners make them, with the maximum number of pixels that we decode.

    It is written row by row, to save memory.
    """

    def chunk(name: bytes, data: bytes) -> bytes:
        return pack(">I", len(data)) + name + data + pack(">I", zlib.crc32(name + data))

    packed = zlib.compressobj()
    row = b"\0" + b"\x80\x01" * DECODED_SIDE
    data = b"".join(packed.compress(row) for _ in range(DECODED_SIDE)) + packed.flush()
    head = pack(">IIBBBBB", DECODED_SIDE, DECODED_SIDE, 16, 0, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", data) + chunk(b"IEND", b"")
