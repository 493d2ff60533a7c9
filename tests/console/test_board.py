"""Tests of the supervisor's board: its figures, the number of queries, and the actions of a supervisor."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import presence
from accounts.models import AuditEntry, Department, Presence, PresenceStatus, Skill, Staff
from chat.actions import agents
from chat.models import Conversation, Emergency, Status
from chat.protocol import AccessRevoked, PresenceChanged
from console.board import selectors
from routing.models import DepartmentPolicy, Offer
from tests.conftest import Announced
from tests.console.test_inbox_pages import client_of, queries_of
from tests.people import Cast, go_online, say, start, start_with

pytestmark = pytest.mark.django_db

# The queries of `selectors.board`, whatever the size of the bank.
QUERIES = 9


def supervisor(cast: Cast) -> Client:
    return client_of(cast.yun, **{"accept-language": "en"})


def line_of(department: Department) -> selectors.DepartmentLine:
    (line,) = (line for line in selectors.board().departments if line.department == department)
    return line


def agent_line(staff: Staff) -> selectors.AgentLine:
    (line,) = (line for line in selectors.board().agents if line.staff == staff)
    return line


def enlarge(cast: Cast, *, departments: int, staff: int) -> None:
    """Add departments with policies and agents who are online, each in three departments."""
    added = Department.objects.bulk_create(
        Department(code=f"d{number}", name_zh=f"部门{number}", name_en=f"Department {number}")
        for number in range(departments)
    )
    DepartmentPolicy.objects.bulk_create(DepartmentPolicy(department=department) for department in added)
    people = Staff.objects.bulk_create(
        Staff(username=f"a{number}", name=f"坐席{number}", number=str(5000 + number), password="!")
        for number in range(staff)
    )
    Presence.objects.bulk_create(Presence(staff=person, status=PresenceStatus.ONLINE) for person in people)
    Staff.departments.through._default_manager.bulk_create(
        Staff.departments.through(staff=person, department=added[(index + shift) % departments])
        for index, person in enumerate(people)
        for shift in range(min(3, departments))
    )


@pytest.mark.both_databases
def test_board_makes_the_same_queries_for_50_departments_and_200_agents(
    cast: Cast, django_assert_num_queries: DjangoAssertNumQueries
) -> None:
    with django_assert_num_queries(QUERIES):
        selectors.board()
    client = supervisor(cast)
    few = queries_of(lambda: client.get("/console/board/now"))
    enlarge(cast, departments=50, staff=200)
    start_with(cast, cast.mei)
    for _ in range(5):
        start(cast)
    with django_assert_num_queries(QUERIES):
        board = selectors.board()
    assert (len(board.departments), len(board.agents)) == (52, 204)
    # At most two more queries read the session and the supervisor.
    assert queries_of(lambda: client.get("/console/board/now")) == few <= QUERIES + 2


@pytest.mark.both_databases
def test_department_shows_its_queue_its_agents_and_their_load(cast: Cast) -> None:
    now = timezone.now()
    start_with(cast, cast.mei)
    first, second = start(cast), start(cast)
    start(cast, department="loans")
    Conversation.objects.filter(pk=first.pk).update(
        waiting_since=now - timedelta(seconds=400), visitor_away_since=now
    )
    Conversation.objects.filter(pk=second.pk).update(
        waiting_since=now - timedelta(seconds=100), emergency=Emergency.CONFIRMED
    )
    go_online(cast.hao)
    presence.set_status(staff=cast.hao, status=PresenceStatus.BREAK)
    line = line_of(cast.cards)
    assert (line.waiting, line.away, line.active) == (2, 1, 1)
    assert line.waiting_since == now - timedelta(seconds=400)
    assert line.emergency_since == now - timedelta(seconds=100)
    assert line.states == {"online": 1, "break": 1, "offline": 1}
    assert (line.load.used, line.load.capacity) == (1, cast.mei.capacity)
    total = selectors.board().total
    assert (total.waiting, total.away, total.active) == (3, 1, 1)
    # A supervisor who belongs to two departments counts once.
    assert total.states == {"online": 1, "break": 1, "offline": 2}
    page = supervisor(cast).get("/console/board/now").content.decode()
    assert 'data-heat="4"' in page
    assert "1 / 8" in page


@pytest.mark.both_databases
def test_agent_shows_state_load_departments_and_figures_of_today(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    Offer.objects.bulk_create(
        Offer(
            conversation=conversation,
            agent=cast.mei,
            department=cast.cards,
            until_at=timezone.now(),
            at=at,
            outcome=outcome,
        )
        for at, outcome in (
            (timezone.now(), Offer.Outcome.MISSED),
            (timezone.now(), Offer.Outcome.ACCEPTED),
            (timezone.now() - timedelta(days=2), Offer.Outcome.MISSED),
        )
    )
    line = agent_line(cast.mei)
    assert (line.status, line.departments, line.load.used, line.load.capacity) == (
        PresenceStatus.ONLINE,
        [cast.cards],
        1,
        8,
    )
    assert (line.missed, line.conversations, line.sleeping) == (1, 1, 0)
    assert line.since == Presence.objects.get(staff=cast.mei).since

    seen = timezone.now() - timedelta(seconds=presence.LEASE_SECONDS + 5)
    Presence.objects.filter(staff=cast.mei).update(seen_at=seen)
    line = agent_line(cast.mei)
    assert (line.status, line.since) == (PresenceStatus.OFFLINE, seen)
    nobody = agent_line(cast.hao)
    assert (nobody.status, nobody.since) == (PresenceStatus.OFFLINE, None)
    assert [line.staff for line in selectors.board().agents] == [cast.mei, cast.hao, cast.jun, cast.yun]


@pytest.mark.both_databases
def test_emergencies_are_first_until_a_supervisor_confirms_or_lowers_them(cast: Cast) -> None:
    waiting, active = start(cast, name="李雷"), start_with(cast, cast.mei)
    say(waiting, "我在医院 <b>")
    Conversation.objects.update(emergency=Emergency.RAISED, emergency_reason="医院")
    client = supervisor(cast)
    page = client.get("/console/board/").content.decode()
    assert "2 emergencies to confirm" in page
    assert "我在医院 &lt;b&gt;" in page
    path = f"/console/conversations/{waiting.uuid}/emergency/confirm"
    assert path.removeprefix("/console/") in page
    assert client_of(cast.mei).post(path).status_code == 403
    for _ in range(2):
        assert client.post(path).status_code == 204
    assert [conversation.pk for conversation in selectors.emergencies()] == [active.pk]
    assert client.post(f"/console/conversations/{active.uuid}/emergency/lower").status_code == 204
    assert not selectors.emergencies()
    active.refresh_from_db()
    waiting.refresh_from_db()
    assert (waiting.emergency, active.emergency) == (Emergency.CONFIRMED, Emergency.LOWERED)


@pytest.mark.both_databases
def test_supervisor_sets_the_state_of_an_agent_whose_console_names_the_supervisor(
    cast: Cast, announced: Announced
) -> None:
    go_online(cast.mei)
    seen = Presence.objects.get(staff=cast.mei).seen_at
    client, path = supervisor(cast), f"/console/board/agents/{cast.mei.pk}/presence"
    announced.take()
    response = client.post(path, {"status": "break"})
    assert response.status_code == 204
    assert "console:done" in response["HX-Trigger"]
    stored = Presence.objects.get(staff=cast.mei)
    # Only the agent's own console may extend the validity of the status.
    assert (stored.status, stored.seen_at) == ("break", seen)
    (event,) = announced.take()
    assert isinstance(event, PresenceChanged)
    assert (event.frame.staff, event.frame.status, event.frame.by) == (cast.mei.pk, "break", "赵云")
    entry = AuditEntry.objects.filter(verb="presence.changed").latest("pk")
    assert (entry.actor, entry.object_id, entry.detail["status"]) == (cast.yun, str(cast.mei.pk), "break")
    assert client.post(path, {"status": "break"}).status_code == 204
    assert AuditEntry.objects.filter(verb="presence.changed", actor=cast.yun).count() == 1
    assert client.post(path, {"status": "asleep"}).status_code == 400


@pytest.mark.both_databases
def test_agent_without_an_open_console_cannot_be_set_online(cast: Cast) -> None:
    client = supervisor(cast)
    for staff in (cast.hao, cast.mei):
        if staff == cast.mei:
            go_online(cast.mei)
            seen = timezone.now() - timedelta(seconds=presence.LEASE_SECONDS + 5)
            Presence.objects.filter(staff=cast.mei).update(seen_at=seen)
        path = f"/console/board/agents/{staff.pk}/presence"
        refused = client.post(path, {"status": "online"})
        assert refused.status_code == 409
        assert "No console of this agent is open." in refused.content.decode()
        assert staff.pk not in presence.online_ids()
        assert client.post(path, {"status": "offline"}).status_code == 204


@pytest.mark.both_databases
def test_supervisor_changes_capacity_departments_and_skills(cast: Cast, announced: Announced) -> None:
    english = Skill.objects.create(code="english", name_zh="英语", name_en="English", language="en")
    closed = Department.objects.create(code="old", name_zh="旧", name_en="Old", is_active=False)
    cast.mei.departments.add(closed)
    client, path = supervisor(cast), f"/console/board/agents/{cast.mei.pk}/change"
    announced.take()
    form = {
        "capacity": 3,
        "departments": [cast.cards.pk, cast.loans.pk],
        f"skill_{english.pk}": 4,
    }
    assert client.post(path, form).status_code == 204
    cast.mei.refresh_from_db()
    assert cast.mei.capacity == 3
    assert set(cast.mei.departments.all()) == {cast.cards, cast.loans, closed}
    assert dict(cast.mei.skills.values_list("skill", "level")) == {english.pk: 4}
    assert not announced.take()
    entries = AuditEntry.objects.filter(verb="staff.changed").order_by("pk")
    assert [(entry.actor, entry.detail["fields"]) for entry in entries] == [
        (cast.yun, ["capacity", "departments"]),
        (cast.yun, ["skills"]),
    ]
    shown = client.get(f"/console/board/agents/{cast.mei.pk}/").content.decode()
    assert '<option value="4" selected>4</option>' in shown
    # The console of an agent who loses a department closes.
    fewer = form | {"departments": [cast.cards.pk], f"skill_{english.pk}": ""}
    assert client.post(path, fewer).status_code == 204
    assert announced.take() == [AccessRevoked(cast.mei.pk)]
    assert not cast.mei.skills.exists()
    for invalid in ({"capacity": -1}, {f"skill_{english.pk}": 6}, {"departments": [closed.pk]}):
        answer = client.post(path, form | invalid)
        assert answer.status_code == 422
        assert "field-error" in answer.content.decode()
    assert client.post(f"/console/board/agents/{cast.wen.pk}/change", form).status_code == 404


def test_dialogs_offer_to_assign_the_waiting_and_to_transfer_those_of_an_agent(cast: Cast) -> None:
    waiting, active = start(cast, name="李<雷>"), start_with(cast, cast.mei)
    wrapping = start_with(cast, cast.mei)
    agents.end_conversation(staff=cast.mei, uuid=wrapping.uuid)
    client = supervisor(cast)
    queue = client.get(f"/console/board/departments/{cast.cards.pk}/").content.decode()
    assert f'data-dialog="conversations/{waiting.uuid}/forms/transfer"' in queue
    assert "李&lt;雷&gt;" in queue
    assert str(active.uuid) not in queue
    own = client.get(f"/console/board/agents/{cast.mei.pk}/").content.decode()
    assert f'data-dialog="conversations/{active.uuid}/forms/transfer"' in own
    assert f"conversations/{wrapping.uuid}/" in own
    assert f'data-dialog="conversations/{wrapping.uuid}/forms/transfer"' not in own

    # The form in the dialog assigns a waiting conversation, and takes another back into the queue.
    go_online(cast.hao)
    path = "/console/conversations/{}/transfer"
    assigned = client.post(path.format(waiting.uuid), {"to": f"agent:{cast.hao.pk}"})
    returned = client.post(path.format(active.uuid), {"to": f"department:{cast.cards.pk}"})
    assert (assigned.status_code, returned.status_code) == (204, 204)
    waiting.refresh_from_db()
    active.refresh_from_db()
    assert (waiting.agent, waiting.status) == (cast.hao, Status.ACTIVE)
    assert (active.agent, active.status) == (None, Status.WAITING)


def test_dialogs_make_the_same_queries_for_any_number_of_conversations(cast: Cast) -> None:
    client = supervisor(cast)
    paths = (f"/console/board/departments/{cast.cards.pk}/", f"/console/board/agents/{cast.mei.pk}/")

    def add(count: int) -> None:
        for _ in range(count):
            start(cast, name="李雷")
            start_with(cast, cast.mei)

    add(1)
    few = [queries_of(lambda path=path: client.get(path)) for path in paths]  # type: ignore[misc]
    add(5)
    assert [queries_of(lambda path=path: client.get(path)) for path in paths] == few  # type: ignore[misc]


def test_navigation_has_the_board_for_supervisors_only(cast: Cast) -> None:
    for page in ("/console/", "/console/search"):
        assert "/console/board/" in client_of(cast.yun).get(page).content.decode()
        assert "/console/board/" not in client_of(cast.mei).get(page).content.decode()
