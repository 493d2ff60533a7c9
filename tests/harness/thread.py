"""The messages of a conversation as a screen shows them."""

from __future__ import annotations

from typing import Any

Message = dict[str, Any]


class Thread:
    """The messages of one conversation in order of their seq. Repeats are dropped; the caller must fetch missing
    messages."""

    def __init__(self) -> None:
        self.head = 0
        self.messages: list[Message] = []
        self.errors: list[str] = []

    def clear(self) -> None:
        self.head = 0
        self.messages.clear()

    def add(self, message: Message) -> bool:
        """Append the message if it is the next one. Return whether messages before it are missing."""
        seq = message["seq"]
        if seq == self.head + 1:
            self.head = seq
            self.messages.append(message)
        elif seq <= self.head and self.messages[seq - 1] != message:
            self.errors.append(f"seq {seq} came twice with different content")
        return bool(seq > self.head)
