"""The command `python -m tests.bench.flooder PORT KIND SOCKETS`: floods a server until standard input ends.

At the end, it prints the rate. The flooder is a separate process, so that it takes no processor time from the process
that sends and measures messages.
"""

from __future__ import annotations

import json
import select
import sys
import threading
import time
from contextlib import suppress

from tests.harness.raw_sockets import PING, TEXT, frame, shake_hands

HELLO = frame(TEXT, json.dumps({"kind": "hello", "site": "bench", "version": 1}).encode())
KINDS = {"pings": frame(PING, b"x" * 8), "frames": frame(TEXT, b'{"kind":"typing"}')}
# Seconds after which a disconnected client reconnects.
PAUSE = 0.1


class Flood:
    """A client that floods a server, over one socket after another. It counts the `sent` bytes and the
    `connections`."""

    def __init__(self, port: int, block: bytes) -> None:
        self._port, self._block = port, block
        self.is_over = threading.Event()
        self.sent = self.connections = 0

    def run(self) -> None:
        while not self.is_over.is_set():
            with suppress(OSError):
                self._flood()
            self.is_over.wait(PAUSE)

    def _flood(self) -> None:
        with shake_hands(self._port) as connection:
            self.connections += 1
            connection.settimeout(0.5)
            connection.sendall(HELLO)
            data = self._block
            while not self.is_over.is_set():
                # Read the server's answers, because the server disconnects a client that does not read.
                if select.select([connection], [], [], 0)[0] and not connection.recv(65536):
                    return
                accepted = connection.send(data)
                self.sent += accepted
                data = data[accepted:] or self._block


def main(port: int, kind: str, sockets: int) -> None:
    block = KINDS[kind] * (16384 // len(KINDS[kind]))
    floods = [Flood(port, block) for _ in range(sockets)]
    threads = [threading.Thread(target=flood.run) for flood in floods]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    sys.stdin.read()
    for flood in floods:
        flood.is_over.set()
    for thread in threads:
        thread.join()
    seconds = time.monotonic() - began
    sent, connections = sum(flood.sent for flood in floods), sum(flood.connections for flood in floods)
    print(f"{sent / seconds / 1e6:.2f} MB a second by {connections} sockets in {seconds:.0f} s")


if __name__ == "__main__":
    main(int(sys.argv[1]), sys.argv[2], int(sys.argv[3]))
