"""Tests of concurrent requests for the next conversation: they share one transaction, and each gets its own
conversation.

They guard these invariants of tests/test_invariants.py:

- 4: doing anything twice is harmless.
- 6: a conversation has at most one agent.
- 7: only actions write.
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
from chat.errors import NobodyWaiting, Refusal
from chat.models import Assignment, Conversation, Message, Status
from routing.actions import queue
from tests.people import Cast, create_cast, go_online, start, take_next_as

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.both_databases]

WITHIN_SECONDS = 20


class ConcurrentRequests:
    """Sends several requests for the next conversation. The first is still being served when the others arrive, so the
    others share the next transaction."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, threads: ThreadPoolExecutor) -> None:
        self.batches: list[int] = []
        self._threads = threads
        self._is_serving, self._may_go_on = threading.Event(), threading.Event()
        self._assign_next_batch = queue.assign_next_batch
        monkeypatch.setattr(queue, "assign_next_batch", self._serve)
        self.combiner = queue.QueueCombiner()
        monkeypatch.setattr(queue, "_combiner", self.combiner)

    def _serve(self, takers: list[queue.NextRequest | Staff]) -> Any:
        self.batches.append(len(takers))
        self._is_serving.set()
        assert self._may_go_on.wait(WITHIN_SECONDS)
        return self._assign_next_batch(takers)

    def ask(
        self, *staff: Staff, client_ids: Sequence[UUID | None] = ()
    ) -> list[Conversation | str | type[Exception]]:
        """Send one request for each staff member and return the results.

        A result is the conversation, the code of the refusal, or the type of the error.
        """
        ids = dict(enumerate(client_ids))
        first = self._threads.submit(self._click, staff[0], ids.get(0))
        assert self._is_serving.wait(WITHIN_SECONDS)
        others: list[Future[Any]] = []
        for number, member in enumerate(staff[1:], start=1):
            others.append(self._threads.submit(self._click, member, ids.get(number)))
            # Start the next request only when this one is in the queue, so that their order is known.
            while self.combiner.waiting < number:
                pass
        self._may_go_on.set()
        return [future.result(WITHIN_SECONDS) for future in (first, *others)]

    @staticmethod
    def _click(staff: Staff, client_id: UUID | None) -> Conversation | str | type[Exception]:
        try:
            return take_next_as(staff=staff, client_id=client_id)
        except Refusal as refusal:
            return refusal.code
        except Exception as error:
            return type(error)
        finally:
            connection.close()


@pytest.fixture
def concurrent(monkeypatch: pytest.MonkeyPatch) -> Iterator[ConcurrentRequests]:
    with ThreadPoolExecutor(10) as threads:
        yield ConcurrentRequests(monkeypatch, threads)


def check_stored_completely(taken: int) -> None:
    """Check that exactly `taken` conversations are assigned, each with all the rows that belong to an assignment."""
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


def test_requests_during_a_transaction_share_the_next_one_in_order(concurrent: ConcurrentRequests) -> None:
    cast = create_cast()
    waiting = [start(cast) for _ in range(6)]
    results = concurrent.ask(cast.mei, cast.hao, cast.yun, cast.mei, cast.hao)

    assert results == waiting[:5]
    assert concurrent.batches == [1, 4]
    check_stored_completely(5)


def test_last_requests_get_nobody_waiting_when_the_queue_runs_empty(concurrent: ConcurrentRequests) -> None:
    cast = create_cast()
    waiting = [start(cast) for _ in range(2)]
    results = concurrent.ask(cast.mei, cast.hao, cast.mei, cast.jun)

    assert results == [*waiting, "nobody_waiting", "nobody_waiting"]
    check_stored_completely(2)


def test_failing_request_does_not_affect_the_others(concurrent: ConcurrentRequests) -> None:
    cast = create_cast()
    waiting = {start(cast).pk for _ in range(4)}
    broken = Staff.objects.get(pk=cast.hao.pk)
    broken.name = "half a \ud83d character"
    results = concurrent.ask(cast.mei, cast.yun, broken, cast.mei)

    assert results[2] is UnicodeEncodeError
    taken = [item.pk for item in results if isinstance(item, Conversation)]
    assert len(taken) == len(set(taken)) == 3
    assert set(taken) < waiting
    check_stored_completely(3)


def test_database_failure_refuses_all_requests_with_unavailable(
    concurrent: ConcurrentRequests, monkeypatch: pytest.MonkeyPatch
) -> None:
    cast = create_cast()
    first, second = start(cast), start(cast)

    def fail(*_: object) -> None:
        raise OperationalError

    with monkeypatch.context() as broken:
        broken.setattr(batch_statements, "update", fail)
        assert concurrent.ask(cast.mei, cast.hao, cast.yun) == ["unavailable"] * 3
    check_stored_completely(0)

    assert take_next_as(staff=cast.mei) == first
    assert take_next_as(staff=cast.hao) == second


@pytest.mark.parametrize("write", ["insert", "update"])
def test_interruption_between_two_writes_stores_nothing(write: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Check that an interrupted assignment stores nothing.

    The transaction is interrupted before the last insert or before the update, as if the process were killed there.
    """
    cast = create_cast()
    start(cast)
    original: Callable[..., None] = getattr(batch_statements, write)

    def cut(model: type, *rest: Any) -> None:
        if model in (AuditEntry, Conversation):
            raise KeyboardInterrupt
        original(model, *rest)

    with monkeypatch.context() as broken:
        broken.setattr(batch_statements, write, cut)
        with pytest.raises(KeyboardInterrupt):
            take_next_as(staff=cast.mei)
    check_stored_completely(0)

    take_next_as(staff=cast.mei)
    check_stored_completely(1)


def start_in_two_departments(cast: Cast) -> list[Conversation]:
    """Start five conversations in the departments loans, cards, loans, cards and cards, and return them in this
    order."""
    return [
        start(cast, department=department) for department in ("loans", "cards", "loans", "cards", "cards")
    ]


def test_batch_takes_the_longest_waiting_of_several_departments() -> None:
    cast = create_cast()
    loans, cards, loans_2, cards_2, cards_3 = start_in_two_departments(cast)
    go_online(cast.mei, cast.yun, cast.jun)
    assert queue.assign_next_batch([cast.mei, cast.yun, cast.jun, cast.yun]) == [
        cards,
        loans,
        loans_2,
        cards_2,
    ]
    assert queue.assign_next_batch([cast.jun, cast.yun, cast.mei]) == [None, cards_3, None]
    check_stored_completely(5)


def test_take_next_without_departments_raises_nobody_waiting() -> None:
    cast = create_cast()
    start(cast)
    cast.mei.departments.clear()
    with pytest.raises(NobodyWaiting):
        take_next_as(staff=cast.mei)
    check_stored_completely(0)


def test_assignments_of_one_batch_record_the_next_agent() -> None:
    """Check that each assignment of a batch records the agent who would have been next.

    The choice of that agent takes account of the earlier assignments of the same batch.
    """
    cast = create_cast()
    go_online(cast.mei, cast.hao, cast.yun)
    for _ in range(5):
        start(cast)
    queue.assign_next_batch([cast.mei, cast.mei, cast.hao, cast.mei, cast.yun])
    next_agents = Assignment.objects.order_by("conversation_id").values_list(
        "next_in_line__username", flat=True
    )
    assert list(next_agents) == ["hao", "hao", "yun", "yun", "hao"]


def test_take_next_repeated_takes_one_conversation(cast: Cast) -> None:
    go_online(cast.mei)
    first, second = start(cast), start(cast)
    client_id = uuid4()
    assert take_next_as(staff=cast.mei, client_id=client_id) == first
    assert take_next_as(staff=cast.mei, client_id=client_id) == first
    assert take_next_as(staff=cast.hao, client_id=client_id) == second, (
        "a client_id counts only for its own staff member"
    )
    assert Assignment.objects.count() == 2


def test_take_next_repeated_concurrently_takes_one_conversation(
    cast: Cast, concurrent: ConcurrentRequests
) -> None:
    """Check that two requests with one client_id, served in the same transaction, take only one conversation.

    In that transaction, the second request cannot see the assignment by the first.
    """
    go_online(cast.mei)
    first, second = start(cast), start(cast)
    third = start(cast)
    client_id = uuid4()
    results = concurrent.ask(cast.hao, cast.mei, cast.mei, client_ids=[None, client_id, client_id])
    assert results[0] == first
    assert results[1] == results[2] in (second, third)
    assert Assignment.objects.filter(by=cast.mei).count() == 1


def test_take_next_repeated_after_the_queue_is_empty_returns_the_same(
    cast: Cast, concurrent: ConcurrentRequests
) -> None:
    go_online(cast.mei)
    start(cast)
    only = start(cast)
    client_id = uuid4()
    results = concurrent.ask(cast.hao, cast.mei, cast.mei, client_ids=[None, client_id, client_id])
    assert results[1:] == [only, only]
