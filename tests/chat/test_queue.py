"""The line: those who ask for the next in the same moment are served in one transaction, each with one of their own.

Guards invariants 4 (twice is harmless), 6 (one agent at most) and 7 (one write path).
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any
from uuid import UUID, uuid4

import pytest
from django.db import OperationalError, connection

from accounts.models import AuditEntry, Staff
from chat import batch_statements
from chat.actions import agents, queue
from chat.errors import NobodyWaiting, Refusal
from chat.models import Assignment, Conversation, Message, Status
from tests.people import Cast, create_cast, go_online, start

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

WITHIN_SECONDS = 20


class Rush:
    """Many who ask while the first of them is being served, so that all the others come into one transaction."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor) -> None:
        self.batches: list[int] = []
        self._threads = threads
        self._is_serving, self._may_go_on = threading.Event(), threading.Event()
        self._take_together = queue.assign_next_batch
        monkeypatch.setattr(queue, "assign_next_batch", self._serve)
        self.desk = queue.QueueCombiner()
        monkeypatch.setattr(queue, "_combiner", self.desk)

    def _serve(self, takers: list[queue.NextRequest | Staff]) -> Any:
        self.batches.append(len(takers))
        self._is_serving.set()
        assert self._may_go_on.wait(WITHIN_SECONDS)
        return self._take_together(takers)

    def ask(
        self, *staff: Staff, client_ids: Sequence[UUID | None] = ()
    ) -> list[Conversation | str | type[Exception]]:
        """What each got: the conversation, the code of the refusal, or the kind of error."""
        presses = dict(enumerate(client_ids))
        first = self._threads.submit(self._click, staff[0], presses.get(0))
        assert self._is_serving.wait(WITHIN_SECONDS)
        others: list[Future[Any]] = []
        for number, member in enumerate(staff[1:], start=1):
            others.append(self._threads.submit(self._click, member, presses.get(number)))
            # In this order.
            while self.desk.waiting < number:
                pass
        self._may_go_on.set()
        return [each.result(WITHIN_SECONDS) for each in (first, *others)]

    @staticmethod
    def _click(staff: Staff, client_id: UUID | None) -> Conversation | str | type[Exception]:
        try:
            return agents.take_next(staff=staff, client_id=client_id)
        except Refusal as refusal:
            return refusal.code
        except Exception as error:
            return type(error)
        finally:
            connection.close()


@pytest.fixture
def rush(monkeypatch: pytest.MonkeyPatch) -> Iterator[Rush]:
    with ThreadPoolExecutor(10) as threads:
        yield Rush(monkeypatch, threads)


def check_each_is_whole(taken: int) -> None:
    """Of every conversation that was taken all is stored, of every other one nothing."""
    active = Conversation.objects.filter(status=Status.ACTIVE)
    assert active.count() == Assignment.objects.filter(until_at=None).count() == taken
    assert AuditEntry.objects.filter(verb="conversation.assigned").count() == taken
    assert Message.objects.filter(payload={"code": "assigned"}).count() == taken
    for conversation in active:
        (assignment,) = conversation.assignments.all()
        assert assignment.agent_id == conversation.agent_id
        assert [message.seq for message in conversation.messages.all()] == [1]
        assert conversation.last_seq == 1
    for conversation in Conversation.objects.filter(status=Status.WAITING):
        assert (conversation.agent, conversation.last_seq) == (None, 0)


def test_who_asks_meanwhile_is_served_in_one_transaction_in_order(rush: Rush) -> None:
    cast = create_cast()
    waiting = [start(cast) for _ in range(6)]
    got = rush.ask(cast.mei, cast.hao, cast.yun, cast.mei, cast.hao)

    assert got == waiting[:5]
    assert rush.batches == [1, 4]
    check_each_is_whole(5)


def test_of_more_than_there_are_the_last_hear_that_nobody_waits(rush: Rush) -> None:
    cast = create_cast()
    waiting = [start(cast) for _ in range(2)]
    got = rush.ask(cast.mei, cast.hao, cast.mei, cast.jun)

    assert got == [*waiting, "nobody_waiting", "nobody_waiting"]
    check_each_is_whole(2)


def test_one_who_cannot_be_served_spoils_nothing_for_the_others(rush: Rush) -> None:
    cast = create_cast()
    waiting = {start(cast).pk for _ in range(4)}
    broken = Staff.objects.get(pk=cast.hao.pk)
    broken.name = "half a \ud83d character"
    got = rush.ask(cast.mei, cast.yun, broken, cast.mei)

    assert got[2] is UnicodeEncodeError
    taken = [each.pk for each in got if isinstance(each, Conversation)]
    assert len(taken) == len(set(taken)) == 3
    assert set(taken) < waiting
    check_each_is_whole(3)


def test_when_the_database_fails_all_may_ask_again(rush: Rush, monkeypatch: pytest.MonkeyPatch) -> None:
    cast = create_cast()
    first, second = start(cast), start(cast)

    def fail(*_: object) -> None:
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(batch_statements, "update", fail)
        assert rush.ask(cast.mei, cast.hao, cast.yun) == ["unavailable"] * 3
    check_each_is_whole(0)

    assert agents.take_next(staff=cast.mei) == first
    assert agents.take_next(staff=cast.hao) == second


@pytest.mark.parametrize("write", ["insert", "update"])
def test_what_breaks_off_between_two_writes_leaves_nothing(
    write: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The last of the inserts, or the update after them, never comes: as when the process is killed there."""
    cast = create_cast()
    start(cast)
    whole: Callable[..., None] = getattr(batch_statements, write)

    def cut(model: type, *rest: Any) -> None:
        if model in (AuditEntry, Conversation):
            raise KeyboardInterrupt
        whole(model, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(batch_statements, write, cut)
        with pytest.raises(KeyboardInterrupt):
            agents.take_next(staff=cast.mei)
    check_each_is_whole(0)

    agents.take_next(staff=cast.mei)
    check_each_is_whole(1)


def places(cast: Cast) -> list[Conversation]:
    """In turn of each department, the oldest first."""
    return [
        start(cast, department=department) for department in ("loans", "cards", "loans", "cards", "cards")
    ]


def test_of_several_lines_the_one_who_has_waited_longest_is_taken() -> None:
    cast = create_cast()
    loans, cards, loans_2, cards_2, cards_3 = places(cast)
    assert queue.assign_next_batch([cast.mei, cast.yun, cast.jun, cast.yun]) == [
        cards,
        loans,
        loans_2,
        cards_2,
    ]
    assert queue.assign_next_batch([cast.jun, cast.yun, cast.mei]) == [None, cards_3, None]
    check_each_is_whole(5)


def test_who_has_no_department_takes_nobody() -> None:
    cast = create_cast()
    start(cast)
    cast.mei.departments.clear()
    with pytest.raises(NobodyWaiting):
        agents.take_next(staff=cast.mei)
    check_each_is_whole(0)


def test_each_assignment_names_who_was_next_then() -> None:
    """Also of those in one transaction, where each has one more after it."""
    cast = create_cast()
    go_online(cast.mei, cast.hao, cast.yun)
    for _ in range(5):
        start(cast)
    queue.assign_next_batch([cast.mei, cast.mei, cast.hao, cast.mei, cast.yun])
    following = Assignment.objects.order_by("conversation_id").values_list(
        "next_in_line__username", flat=True
    )
    assert list(following) == ["hao", "hao", "yun", "yun", "hao"]


def test_take_next_pressed_twice_takes_one_conversation(cast: Cast) -> None:
    go_online(cast.mei)
    first, second = start(cast), start(cast)
    press = uuid4()
    assert agents.take_next(staff=cast.mei, client_id=press) == first
    assert agents.take_next(staff=cast.mei, client_id=press) == first
    assert agents.take_next(staff=cast.hao, client_id=press) == second, "a press is the person's own"
    assert Assignment.objects.count() == 2


def test_take_next_pressed_twice_at_once_takes_one_conversation(cast: Cast, rush: Rush) -> None:
    """Both requests are served in one transaction, where the second cannot see what the first has taken."""
    go_online(cast.mei)
    first, second = start(cast), start(cast)
    third = start(cast)
    press = uuid4()
    got = rush.ask(cast.hao, cast.mei, cast.mei, client_ids=[None, press, press])
    assert got[0] == first
    assert got[1] == got[2] in (second, third)
    assert Assignment.objects.filter(by=cast.mei).count() == 1


def test_take_next_sent_again_after_the_queue_is_empty_gives_what_it_took(cast: Cast, rush: Rush) -> None:
    go_online(cast.mei)
    start(cast)
    only = start(cast)
    press = uuid4()
    got = rush.ask(cast.hao, cast.mei, cast.mei, client_ids=[None, press, press])
    assert got[1:] == [only, only]
