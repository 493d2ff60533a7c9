"""The demo's dialogues, read from the files that demo/chat.md describes and validated while read."""

from datetime import time
from pathlib import Path
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct

FOLDER = Path(__file__).resolve().parent
LANGUAGES = ("zh", "en")


class Turn(Struct, frozen=True, forbid_unknown_fields=True):
    """A message, a note or a transfer, `after` seconds after the previous turn."""

    by: Literal["visitor", "agent", "note", "transfer"]
    text: str
    after: Annotated[int, Meta(ge=0)]
    choices: list[str] = []
    agent: str = ""
    to_department: str = ""
    to_agent: str = ""
    # `source`: the key of the point that an agent's message was made from; `helped`: the agent's feedback on that
    # point; `unanswered`: no point answers this question of the visitor.
    source: str = ""
    helped: bool | None = None
    unanswered: bool = False


class Dialogue(Struct, frozen=True, forbid_unknown_fields=True):
    """One contact. `start` is a local time of day; `agent` is a username, empty if the visitor left the queue."""

    id: str
    title: str
    department: str
    name: str
    level: Literal["anonymous", "claimed", "verified"]
    device: Literal["phone", "desktop"]
    page: str
    start: Annotated[str, Meta(pattern=r"^[0-2]\d:[0-5]\d$")]
    agent: str
    priority: int
    turns: Annotated[list[Turn], Meta(min_length=1)]
    end: Literal["agent", "visitor", "left"]
    wrap_up: str
    wrap_up_comment: str
    rating: Annotated[int, Meta(ge=1, le=5)] | None
    rating_comment: str
    language: str = "zh"

    @property
    def starts_at(self) -> time:
        return time.fromisoformat(self.start)

    @property
    def seconds(self) -> int:
        """The time from the first turn to the last."""
        return sum(turn.after for turn in self.turns)


def dialogues() -> list[Dialogue]:
    """Return all dialogues, Chinese first. Raises msgspec.ValidationError for an invalid file."""
    decoder = msgspec.json.Decoder(Dialogue)
    return [
        msgspec.structs.replace(decoder.decode(line), language=language)
        for language in LANGUAGES
        for line in (FOLDER / f"dialogues_{language}.jsonl").read_text(encoding="utf-8").splitlines()
    ]
