"""The texts of the visitors: our own dialogues, and messages of real customers if that data is beside the checkout."""

from __future__ import annotations

import csv
import random
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from demo.dialogues import dialogues

ROOT = Path(__file__).resolve().parent.parent.parent
DATA = ROOT.parent / "shared" / "data"
# Share of visitors who use the English data, if that data is present.
DATA_SHARE = 0.3

# An agent's answers that fit any message. The real data needs them, because it contains only the customers' turns.
GENERIC = {
    "en": (
        "Thank you for telling me. I'm looking into it now.",
        "I understand. Could you tell me a little more?",
        "Thank you, I have that. One moment, please.",
        "I see it here. It should be in order within a day.",
        "You're right to ask. I've noted it on your case.",
        "That is done. Is there anything else?",
    ),
    "zh": (
        "您好，我在，请讲。",
        "好的，我这就查一下。",
        "查到了，请您稍等。",
        "已经为您登记了。",
        "还有别的需要我办吗？",
    ),
}


@dataclass(frozen=True)
class Turn:
    by: Literal["visitor", "agent", "note"]
    text: str
    choices: tuple[str, ...] = ()


@dataclass(frozen=True)
class Script:
    """The script of one conversation.

    `end` is the side that ends it, or "left" for a visitor who leaves the queue.
    """

    name: str
    language: str
    department: str
    page: str
    device: str
    turns: tuple[Turn, ...]
    end: str
    rating: int | None = None
    rating_comment: str = ""


class Scripts:
    """An endless source of random scripts. An `rng` with the same seed gives the same scripts."""

    def __init__(self, rng: random.Random, data: Path | None) -> None:
        self._rng = rng
        self._own = own_scripts()
        self._chats: list[list[str]] = []
        self._questions: list[str] = []
        if data is not None:
            self._chats = customer_turns(data / "multidogo_finance" / "finance_customer_turns.tsv")
            self._questions = first_questions(data / "banking77" / "train.csv")

    @property
    def has_data(self) -> bool:
        return bool(self._chats)

    def next(self) -> Script:
        if self._chats and self._rng.random() < DATA_SHARE:
            return self._from_data()
        return self._rng.choice(self._own)

    def _from_data(self) -> Script:
        texts = [self._rng.choice(self._questions), *self._rng.choice(self._chats)[1:]]
        turns: list[Turn] = []
        for text in texts:
            turns.append(Turn("visitor", text))
            # Leave out some answers, because customers often write twice before they are answered.
            if self._rng.random() < 0.75:
                turns.append(Turn("agent", self._rng.choice(GENERIC["en"])))
        end = self._rng.choice(("agent", "visitor"))
        department = self._rng.choice(("general", "cards", "loans", "digital"))
        return Script("", "en", department, "/en/", "desktop", tuple(turns), end)


def own_scripts() -> list[Script]:
    """Return the demo's dialogues as scripts. Transfers become notes, because one agent sends the turns of all
    agents."""
    return [
        Script(
            name=dialogue.name if dialogue.level != "anonymous" else "",
            language=dialogue.language,
            department=dialogue.department,
            page=dialogue.page,
            device=dialogue.device,
            turns=tuple(
                Turn("note" if turn.by == "transfer" else turn.by, turn.text, tuple(turn.choices))
                for turn in dialogue.turns
            ),
            end=dialogue.end,
            rating=dialogue.rating,
            rating_comment=dialogue.rating_comment,
        )
        for dialogue in dialogues()
    ]


def customer_turns(path: Path) -> list[list[str]]:
    """Return the customer's turns, in order, of each conversation in which the customer wrote at least twice."""
    chats: defaultdict[str, list[tuple[float, str]]] = defaultdict(list)
    with path.open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE):
            if text := row["utterance"].strip():
                chats[row["conversationId"]].append((float(row["turnNumber"]), text))
    return [[text for _, text in sorted(turns)] for turns in chats.values() if len(turns) > 1]


def first_questions(path: Path) -> list[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return [row["text"].strip() for row in csv.DictReader(file)]


def generic(language: str, index: int) -> str:
    answers: Sequence[str] = GENERIC["zh" if language.startswith("zh") else "en"]
    return answers[index % len(answers)]
