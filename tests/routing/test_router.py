"""Tests of the router in real server processes: one process routes, and another takes over when it is killed."""

from __future__ import annotations

import time
from collections import Counter
from datetime import timedelta

import pytest
from django.utils import timezone

from accounts import presence
from accounts.models import Presence, Staff
from chat.models import Assignment, Conversation, Status
from core.models import Lease
from routing.actions.routing import LEASE
from routing.models import DepartmentPolicy, Mode
from routing.router import LEASE_SECONDS, POLL_SECONDS, RENEW_SECONDS, UPKEEP_SECONDS, Rounds
from tests.conftest import Processes
from tests.harness.servers import AppServer
from tests.harness.sockets import Console, Widget
from tests.people import Cast, create_cast, go_online, session_of, start, start_with

pytestmark = pytest.mark.django_db(transaction=True)

WITHIN_SECONDS = 15


def set_mode(cast: Cast, mode: Mode) -> None:
    DepartmentPolicy.objects.create(department=cast.cards, mode=mode)


def touch(app: AppServer) -> None:
    """Send a request, because a process starts its background work at the first one."""
    with Widget(app) as widget:
        widget.open()


def wait_until_active(count: int) -> None:
    end = time.monotonic() + WITHIN_SECONDS
    while Conversation.objects.filter(status=Status.ACTIVE).count() < count:
        assert time.monotonic() < end, "conversations were not assigned"
        time.sleep(0.02)


def test_visitor_and_agent_are_connected_without_anybody_pressing_a_button(processes: Processes) -> None:
    cast = create_cast()
    set_mode(cast, Mode.PUSH)
    go_online(cast.mei)
    with Widget(processes.daphne) as widget, Console(processes.uvicorn, session_of(cast.mei)) as console:
        console.open()
        widget.open()
        widget.begin()
        state = widget.wait_for("state", lambda frame: frame["state"]["status"] == "active")
        assert state["state"]["agent"]["number"] == cast.mei.number
        row = console.wait_for("conversation", lambda frame: frame["row"]["status"] == "active")["row"]
        assert row["agent"]["id"] == cast.mei.pk


def test_offer_reaches_the_console_of_the_agent_with_the_row(processes: Processes) -> None:
    cast = create_cast()
    set_mode(cast, Mode.OFFER)
    go_online(cast.mei)
    with Widget(processes.uvicorn) as widget, Console(processes.daphne, session_of(cast.mei)) as console:
        console.open()
        widget.open()
        widget.begin()
        offered = console.wait_for(
            "conversation", lambda frame: frame["row"].get("offered_to") == cast.mei.pk
        )
        assert offered["row"]["status"] == "waiting"
        assert offered["row"]["offered_until"] > offered["row"]["waiting_since"]


def test_agents_get_time_to_reconnect_after_an_outage(monkeypatch: pytest.MonkeyPatch) -> None:
    # The processes of other tests may hold the lease.
    monkeypatch.setattr("routing.router.leases.hold", lambda *_: True)
    cast = create_cast()
    own = start_with(cast, cast.mei)
    Presence.objects.update(seen_at=timezone.now() - timedelta(hours=1))
    seconds = 1000.0
    rounds = Rounds("alone", clock=lambda: seconds)

    def status_after(later: float) -> str:
        nonlocal seconds
        seconds += later
        rounds.run()
        return Conversation.objects.get(pk=own.pk).status

    assert status_after(0) == Status.ACTIVE
    # The database did not answer for longer than the lease lasts.
    assert status_after(presence.LEASE_SECONDS) == Status.ACTIVE
    # Rounds follow each other at least every few seconds.
    while seconds < 1000 + 2 * presence.LEASE_SECONDS - RENEW_SECONDS:
        assert status_after(RENEW_SECONDS) == Status.ACTIVE
    statuses = [status_after(RENEW_SECONDS) for _ in range(round(UPKEEP_SECONDS))]
    assert statuses[-1] == Status.WAITING


def test_another_process_routes_within_five_seconds_after_a_kill(processes: Processes) -> None:
    cast = create_cast()
    set_mode(cast, Mode.PUSH)
    Staff.objects.update(capacity=100)
    go_online(cast.mei, cast.hao)
    servers = [AppServer(processes.environment(), prepare=False) for _ in range(2)]
    for server in servers:
        server.start()
    try:
        for server in servers:
            touch(server)
        for _ in range(20):
            start(cast)
        wait_until_active(20)
        for server in servers:
            server.kill()
        # The fixture's own processes may hold the lease by now. Count from the moment at which all that could have
        # routed for the killed ones had to wait for the lease.
        for _ in range(20):
            start(cast)
        began = time.monotonic()
        touch(processes.daphne)
        wait_until_active(40)
        assert time.monotonic() - began < LEASE_SECONDS + 2 * POLL_SECONDS
    finally:
        for server in servers:
            server.stop()
    assert Lease.objects.get(name=LEASE).holder
    assignments = Assignment.objects.values_list("conversation_id", flat=True)
    assert max(Counter(assignments).values()) == 1
    loads = Counter(Conversation.objects.filter(status=Status.ACTIVE).values_list("agent_id", flat=True))
    assert loads[cast.mei.pk] == loads[cast.hao.pk] == 20
