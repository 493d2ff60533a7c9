"""Tests of the dry run: the simulation, its inputs, and its page in admin."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.utils import timezone
from pytest_django import DjangoAssertNumQueries

from accounts import presence
from accounts.models import AuditEntry, PresenceStatus, Skill
from chat.models import Conversation
from routing.dry_run import Colleague, Contact, DryRunResult, run
from routing.dry_run_inputs import colleagues_between, contacts_in
from routing.models import DepartmentPolicy, Mode
from tests.chat.test_admin_setup import form_of
from tests.people import Cast, go_online, start
from tests.routing.test_admin import client_of

NOON = datetime(2026, 11, 30, 12, tzinfo=UTC)
ALL_DAY = (NOON - timedelta(hours=12), NOON + timedelta(hours=12))
CARDS = 1
ENGLISH = 7


def seconds(count: float) -> datetime:
    return NOON + timedelta(seconds=count)


def colleague(
    pk: int, *, capacity: int = 1, online: tuple[datetime, datetime] = ALL_DAY, **more: object
) -> Colleague:
    return Colleague(pk, str(1000 + pk), f"A{pk}", capacity, frozenset({CARDS}), online=(online,), **more)  # type: ignore[arg-type]


def outcome(
    contacts: list[Contact], colleagues: list[Colleague], minutes: int = 5, **policy: object
) -> list[tuple[int | None, int | None]]:
    """Return the agent and the wait in seconds of each contact."""
    values = {"mode": Mode.PUSH} | policy
    policies = {CARDS: DepartmentPolicy(department_id=CARDS, **values)}
    results = run(contacts, colleagues, policies, handle_time=timedelta(minutes=minutes))
    return [(result.agent.id if result.agent else None, result.waited_seconds) for result in results]


def arrivals(*times: float) -> list[Contact]:
    return [Contact(seconds(at), CARDS) for at in times]


def test_each_contact_goes_to_the_least_busy_and_waits_when_all_are_full() -> None:
    people = [colleague(1), colleague(2)]
    assert outcome(arrivals(0, 1, 2), people) == [(1, 0), (2, 0), (1, 298)]
    assert outcome(arrivals(0, 1, 2), [colleague(1, capacity=3), colleague(2)]) == [(1, 0), (2, 0), (1, 0)]
    assert outcome(arrivals(0), []) == [(None, None)]
    assert outcome([], people) == []


def test_emergency_passes_those_who_wait_and_exceeds_the_capacity() -> None:
    contacts = [*arrivals(0, 1), Contact(seconds(2), CARDS, is_emergency=True)]
    assert outcome(contacts, [colleague(1)]) == [(1, 0), (1, 301), (1, 0)]


def test_agents_get_contacts_only_while_they_are_online() -> None:
    people = [colleague(1, online=(seconds(60), seconds(90)))]
    assert outcome(arrivals(0, 100), people, minutes=1) == [(1, 60), (None, None)]


def test_pause_and_offers_of_the_policy_are_kept() -> None:
    people = [colleague(1, capacity=5)]
    assert outcome(arrivals(0, 1), people, pause_seconds=30) == [(1, 0), (1, 29)]
    # An agent has one open offer at a time, but accepts each at once.
    assert outcome(arrivals(0, 0, 0), people, mode=Mode.OFFER) == [(1, 0), (1, 0), (1, 0)]
    assert outcome(arrivals(0, 0), people, capacity=1) == [(1, 0), (1, 300)]


def test_contact_waits_for_the_skill_as_long_as_the_policy_says() -> None:
    english = [Contact(seconds(0), CARDS, frozenset({ENGLISH}))]
    skilled = colleague(2, skills={ENGLISH: 3}, online=(seconds(20), seconds(900)))
    assert outcome(english, [colleague(1), skilled], skill_wait_seconds=60) == [(2, 20)]
    assert outcome(english, [colleague(1)], skill_wait_seconds=60) == [(1, 60)]


def test_explanation_names_the_candidates_in_order() -> None:
    policies = {CARDS: DepartmentPolicy(department_id=CARDS, mode=Mode.PUSH)}
    (result,) = run(arrivals(0), [colleague(1), colleague(2)], policies, handle_time=timedelta(minutes=5))
    assert isinstance(result, DryRunResult)
    assert result.explanation is not None
    assert result.explanation.rule == "least_busy"
    assert [candidate.id for candidate in result.explanation.candidates] == [1, 2]


# -- Inputs ----------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.both_databases
def test_contacts_are_read_from_a_file_with_times_of_the_bank(cast: Cast) -> None:
    english = Skill.objects.create(code="english", name_zh="英语", name_en="English", language="en")
    text = "time,department,language,emergency\n2026/11/30 09:30,cards,en,是\n2026-11-30 09:31:05,loans,,\n"
    for data in (text.encode(), text.encode("gb18030")):
        contacts, problems = contacts_in(data)
        assert not problems
        assert contacts == [
            Contact(
                timezone.make_aware(datetime.fromisoformat("2026-11-30T09:30")),
                cast.cards.pk,
                frozenset({english.pk}),
                True,
            ),
            Contact(timezone.make_aware(datetime.fromisoformat("2026-11-30T09:31:05")), cast.loans.pk),
        ]


@pytest.mark.django_db
def test_problems_of_a_file_name_the_row(cast: Cast) -> None:
    contacts, problems = contacts_in(b"time,department\nsoon,cards\n2026-11-30 09:30,gold\n")
    assert not contacts
    assert [problem.split(":")[0][-1] for problem in problems] == ["2", "3"]
    assert contacts_in(b"time\n2026-11-30 09:30\n")[1]
    assert contacts_in(b"")[1]


@pytest.mark.django_db
@pytest.mark.both_databases
def test_agents_are_online_in_the_periods_that_the_audit_trail_has(
    cast: Cast, django_assert_max_num_queries: DjangoAssertNumQueries
) -> None:
    go_online(cast.mei)
    presence.set_status(staff=cast.mei, status=PresenceStatus.BREAK)
    go_online(cast.hao)
    changes = AuditEntry.objects.filter(verb="presence.changed").order_by("pk")
    for entry, at in zip(changes, (-3600, 600, 1200), strict=True):
        AuditEntry.objects.filter(pk=entry.pk).update(at=seconds(at))
    with django_assert_max_num_queries(7):
        people = {person.id: person for person in colleagues_between(NOON, seconds(3600))}
    assert people[cast.mei.pk].online == [(seconds(-3600), seconds(600))]
    ((start_of_hao, _),) = people[cast.hao.pk].online
    assert start_of_hao == seconds(1200)
    assert people[cast.jun.pk].online == ()
    assert people[cast.mei.pk].departments == {cast.cards.pk}


# -- The page --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.both_databases
def test_page_tries_an_unsaved_policy_on_the_contacts_of_a_period(cast: Cast) -> None:
    client = client_of(cast.an)
    page = f"/admin/accounts/department/{cast.cards.pk}/dry-run/"
    assert page in client.get(f"/admin/accounts/department/{cast.cards.pk}/change/").content.decode()
    go_online(cast.mei)
    AuditEntry.objects.filter(verb="presence.changed").update(at=timezone.now() - timedelta(hours=1))
    for _ in range(2):
        start(cast)
    start(cast, department="loans")
    form = form_of(client.get(page)) | {"mode": "push", "hours": 3, "pause_seconds": 60}
    answer = client.post(page, form)
    shown = answer.content.decode()
    assert "林梅" in shown
    assert "2 contacts of this department." in shown
    waits = [result.waited_seconds for result, _ in answer.context["results"]]
    assert waits[0] == 0
    assert 59 <= waits[1] <= 60
    assert not DepartmentPolicy.objects.exists()
    assert Conversation.objects.filter(status="waiting").count() == 3
    assert client.post(page, form | {"offer_seconds": 1}).context["form"].errors.keys() == {"offer_seconds"}


@pytest.mark.django_db
def test_page_tries_a_file_and_shows_its_problems(cast: Cast) -> None:
    client, page = client_of(cast.an), f"/admin/accounts/department/{cast.cards.pk}/dry-run/"
    form = form_of(client.get(page)) | {"mode": "push"}
    good = SimpleUploadedFile("contacts.csv", b"time,department\n2026-11-30 09:30,cards\n")
    shown = client.post(page, form | {"file": good}).content.decode()
    assert "1 contact of this department." in shown
    assert "2026-11-30 09:30:00" in shown
    bad = SimpleUploadedFile("contacts.csv", b"time,department\n2026-11-30 09:30,gold\n")
    errors = client.post(page, form | {"file": bad}).context["form"].errors
    assert "gold" in str(errors["file"])
    assert client_of(cast.yun).get(page).status_code == 403
    assert client.get("/admin/accounts/department/999999/dry-run/").status_code == 404
