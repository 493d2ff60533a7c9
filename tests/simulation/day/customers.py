"""A simulated customer: begins a conversation, waits, gives up or talks, and ends it or falls silent."""

from __future__ import annotations

from typing import TYPE_CHECKING
from uuid import UUID, uuid4

from chat.actions import visitors
from chat.actions.posts import Post
from chat.models import Status, Visitor
from chat.protocol import MessageData, Row
from tests.simulation.day.bank import EMERGENCY_WORD
from tests.simulation.day.plan import Contact, Turn
from tests.simulation.day.shapes import SHORT_DELAY

if TYPE_CHECKING:
    from tests.simulation.day.day import Day

OPENINGS = {"zh": "您好，想请您帮我看一个问题。", "en": "Hello, could you look into something for me?"}
FURTHER = {"zh": "明白了，那接下来呢？", "en": "I see. What do I do next?"}
EMERGENCY = f"我的卡{EMERGENCY_WORD}了，请马上处理！"


class Customer:
    """The customer of one contact.

    The day tells the customer of each change of the conversation (`see`) and of each message (`read`).
    """

    def __init__(self, day: Day, contact: Contact) -> None:
        self._day = day
        self.contact = contact
        self.has_given_up = False
        self._pk = 0
        self._visitor = 0
        self._uuid: UUID | None = None
        self._status = ""
        # The number of own messages.
        self._said = 0
        self._is_thinking = False
        self._waits = 0

    @property
    def has_finished(self) -> bool:
        """Whether the customer will write nothing more."""
        return self._said >= len(self.contact.turns) or self.contact.falls_silent

    @property
    def is_waiting(self) -> bool:
        return self._status == Status.WAITING

    def turn(self) -> Turn:
        """Return the turn that the customer's last message began."""
        return self.contact.turns[max(self._said, 1) - 1]

    def begin(self) -> None:
        contact = self.contact
        conversation = visitors.start_conversation(
            site=self._day.bank.site,
            visitor_uuid=contact.visitor,
            client_id=uuid4(),
            form={"subject": contact.department},
            language=contact.language,
        )
        self._pk, self._uuid, self._visitor = conversation.pk, conversation.uuid, conversation.visitor_id
        self._day.customers[self._pk] = self
        self._begin_waiting()
        self._say(EMERGENCY if contact.is_emergency else OPENINGS[contact.language])

    def see(self, row: Row) -> None:
        if row.status == Status.WAITING and self._status == Status.ACTIVE:
            self._begin_waiting()
        self._status = row.status

    def read(self, message: MessageData) -> None:
        """Think about an agent's message, and then answer it or end the conversation."""
        if message.role != "agent" or self._is_thinking or self.contact.falls_silent:
            return
        self._is_thinking = True
        if self.has_finished:
            if not self.contact.is_ended_by_agent:
                self._day.agenda.after(SHORT_DELAY, self._end)
        else:
            self._day.agenda.after(self.turn().think, self._answer)

    def _answer(self) -> None:
        self._is_thinking = False
        if self._status in (Status.WAITING, Status.ACTIVE):
            self._say(FURTHER[self.contact.language])

    def _say(self, body: str) -> None:
        self._said += 1
        self._day.post(Post(self._pk, uuid4(), body, visitor_id=self._visitor))

    def _begin_waiting(self) -> None:
        self._status = Status.WAITING
        self._waits += 1
        wait = self._waits
        self._day.agenda.after(self.contact.patience, lambda: self._give_up(wait))

    def _give_up(self, wait: int) -> None:
        if self.is_waiting and wait == self._waits:
            self.has_given_up = True
            self._end()

    def _end(self) -> None:
        if self._status in (Status.WAITING, Status.ACTIVE):
            visitors.end_by_visitor(visitor=Visitor.objects.get(pk=self._visitor), uuid=self._uuid)
