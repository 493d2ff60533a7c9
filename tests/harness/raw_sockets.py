"""A WebSocket client that can also send invalid input: handshakes and frames are built as bytes."""

from __future__ import annotations

import base64
import os
import socket
import struct
from collections.abc import Mapping

TEXT, CONTINUATION, CLOSE, PING, PONG = 1, 0, 8, 9, 10


def frame(opcode: int, payload: bytes = b"", *, is_last: bool = True, claimed: int | None = None) -> bytes:
    """Return the bytes of a client frame, masked with zeros. `claimed` is a false payload length for its header."""
    length = len(payload) if claimed is None else claimed
    first = opcode | (128 if is_last else 0)
    if length < 126:
        head = bytes((first, 128 | length))
    elif length < 65536:
        head = struct.pack(">BBH", first, 128 | 126, length)
    else:
        head = struct.pack(">BBQ", first, 128 | 127, length)
    return head + bytes(4) + payload


def handshake(host: str, path: str, headers: Mapping[str, str], *, is_secure: bool = False) -> bytes:
    """Return the request of a handshake from a page of the same origin. `host` includes the port."""
    fields = {
        "Host": host,
        "Origin": f"{'https' if is_secure else 'http'}://{host}",
        "Upgrade": "websocket",
        "Connection": "Upgrade",
        "Sec-WebSocket-Version": "13",
        "Sec-WebSocket-Key": base64.b64encode(os.urandom(16)).decode(),
        **headers,
    }
    lines = [f"GET {path} HTTP/1.1", *(f"{name}: {value}" for name, value in fields.items())]
    return "".join(f"{line}\r\n" for line in [*lines, ""]).encode()


def shake_hands(port: int, first: bytes = b"") -> socket.socket:
    """Open a visitor's WebSocket on loopback. `first` is sent together with the handshake. Raises
    ConnectionError."""
    connection = socket.create_connection(("127.0.0.1", port), timeout=20)
    connection.sendall(handshake(f"127.0.0.1:{port}", "/ws/chat/", {}) + first)
    answer = b""
    while b"\r\n\r\n" not in answer:
        received = connection.recv(1)
        if not received:
            raise ConnectionError(answer)
        answer += received
    if not answer.startswith(b"HTTP/1.1 101"):
        raise ConnectionError(answer)
    return connection
