"""Tests of the admin pages for routing: policies, skills, emergency words, and the lists of offers and assignments."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from accounts.models import AuditEntry, Skill, Staff, StaffSkill
from chat import emergencies
from chat.models import Assignment, EmergencyRule
from routing.models import DepartmentPolicy, Offer
from tests.chat.test_admin_setup import audit_entries, form_of, page_of
from tests.people import Cast, session_of, start_with

pytestmark = pytest.mark.django_db

EXPLANATION = {
    "rule": "least_busy",
    "waited_seconds": 42,
    "candidates": [
        {
            "id": 1,
            "number": "1001",
            "name": "林梅 <1>",
            "load": 2,
            "capacity": 8,
            "level": 4,
            "last_assigned_at": "2026-11-30T01:02:03.000Z",
        },
        {
            "id": 2,
            "number": "1002",
            "name": "陈浩",
            "load": 3,
            "capacity": 8,
            "level": 0,
            "last_assigned_at": None,
        },
    ],
    "candidate_count": 2,
    "left_out": {"full": 3, "paused": 0},
}


def client_of(staff: Staff, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.cookies["sessionid"] = session_of(staff)
    return client


@pytest.mark.both_databases
def test_policy_is_created_changed_and_removed_on_the_page_of_its_department(cast: Cast) -> None:
    client = client_of(cast.an)
    page = page_of("accounts_department", "change", cast.cards.pk)
    form = form_of(client.get(page))
    new = form | {"policy-TOTAL_FORMS": "1", "policy-0-mode": "offer", "policy-0-department": cast.cards.pk}
    fields = {
        "offer_seconds": 15, "pause_seconds": 5, "sleep_minutes": 5, "skill_wait_seconds": 60, "return_seconds": 30,
        "abandon_minutes": 3, "abandon_minutes_phone": 10, "rejoin_minutes": 30,
    }  # fmt: skip
    filled = new | {f"policy-0-{name}": value for name, value in fields.items()}
    assert client.post(page, filled | {"policy-0-offer_seconds": 2}).status_code == 200
    assert client.post(page, filled).status_code == 302
    policy = DepartmentPolicy.objects.get(department=cast.cards)
    assert (policy.mode, policy.offer_seconds, policy.capacity) == ("offer", 15, None)
    assert "offer: the router offers" in client.get(page_of("accounts_department")).content.decode()

    form = form_of(client.get(page))
    changed = form | {"policy-0-mode": "push", "policy-0-overflow_to": cast.loans.pk}
    assert client.post(page, changed | {"policy-0-overflow_to": cast.cards.pk}).status_code == 200
    assert client.post(page, changed).status_code == 302
    policy.refresh_from_db()
    assert (policy.mode, policy.overflow_to) == ("push", cast.loans)
    assert client.post(page, form_of(client.get(page)) | {"policy-0-DELETE": "on"}).status_code == 302
    assert not DepartmentPolicy.objects.exists()

    entries = AuditEntry.objects.filter(verb__startswith="setup.").order_by("pk")
    assert [(entry.verb, entry.object_id) for entry in entries] == [
        ("setup.created", str(cast.cards.pk)),
        ("setup.changed", str(cast.cards.pk)),
        ("setup.removed", str(cast.cards.pk)),
    ]
    assert entries[1].detail == {
        "kind": "departmentpolicy",
        "mode": "push",
        "fields": ["mode", "overflow_to"],
    }


@pytest.mark.both_databases
def test_skills_are_stored_and_given_to_staff_with_levels(cast: Cast) -> None:
    client = client_of(cast.an)
    for code, language in (("english", "en"), ("mortgages", "")):
        form = {"code": code, "name_zh": code, "name_en": code, "language": language}
        assert client.post(page_of("accounts_skill", "add"), form).status_code == 302
    english, mortgages = Skill.objects.order_by("code")
    page = page_of("accounts_staff", "change", cast.mei.pk)
    rows = {
        "skills-TOTAL_FORMS": "2",
        "skills-0-skill": english.pk, "skills-0-level": 5, "skills-1-skill": mortgages.pk, "skills-1-level": 2,
    }  # fmt: skip
    form = form_of(client.get(page)) | rows
    assert client.post(page, form | {"skills-1-skill": english.pk}).status_code == 200
    assert client.post(page, form | {"skills-1-level": 6}).status_code == 200
    assert client.post(page, form).status_code == 302
    assert dict(cast.mei.skills.values_list("skill", "level")) == {english.pk: 5, mortgages.pk: 2}
    assert client.post(page, form_of(client.get(page))).status_code == 302
    removed = form_of(client.get(page)) | {"skills-0-DELETE": "on", "skills-1-level": 3}
    assert client.post(page, removed).status_code == 302
    assert dict(cast.mei.skills.values_list("skill", "level")) == {mortgages.pk: 3}
    assert [entry.detail for entry in audit_entries("staff.changed")] == [{"fields": ["skills"]}] * 2

    assert ">1<" in client.get(page_of("accounts_skill")).content.decode()
    assert client.post(page_of("accounts_skill", "delete", mortgages.pk), {"post": "yes"}).status_code == 302
    assert not StaffSkill.objects.exists()
    assert [entry.detail["code"] for entry in audit_entries("setup.removed")] == ["mortgages"]


def test_emergency_words_take_effect_at_once_and_are_audited(cast: Cast) -> None:
    client = client_of(cast.an)
    row = {"emergency": "", "waiting_since": timezone.now(), "priority": 0}
    emergencies.forget_rules()
    assert not emergencies.raised_by("我在医院", row)
    form = {"word": "医院", "exceptions": "", "is_active": "on"}
    assert client.post(page_of("chat_emergencyrule", "add"), form).status_code == 302
    emergencies.forget_rules()
    assert emergencies.raised_by("我在医院", row)["emergency_reason"] == "医院"
    rule = EmergencyRule.objects.get()
    off = {"word": "医院", "exceptions": "宠物医院"}
    assert client.post(page_of("chat_emergencyrule", "change", rule.pk), off).status_code == 302
    assert client.post(page_of("chat_emergencyrule", "delete", rule.pk), {"post": "yes"}).status_code == 302
    assert not EmergencyRule.objects.exists()
    entries = AuditEntry.objects.filter(verb__startswith="setup.").order_by("pk")
    assert [entry.verb for entry in entries] == ["setup.created", "setup.changed", "setup.removed"]
    assert "医院" not in str([entry.detail for entry in entries])
    emergencies.forget_rules()


def test_test_page_shows_the_word_in_each_line_and_stores_nothing(cast: Cast) -> None:
    EmergencyRule.objects.create(word="急", exceptions="不急")
    EmergencyRule.objects.create(word="医院", is_active=False)
    client, page = client_of(cast.an), "/admin/chat/emergencyrule/test/"
    assert page in client.get(page_of("chat_emergencyrule")).content.decode()
    assert client.get(page).status_code == 200
    answer = client.post(page, {"texts": "我很急 <b>\n\n不急\n我在医院"})
    assert answer.context["results"] == [("我很急 <b>", "急"), ("不急", None), ("我在医院", None)]
    assert "Emergency, because of “急”" in answer.content.decode()
    assert client.post(page, {"texts": ""}).context["form"].errors
    assert not AuditEntry.objects.filter(verb__startswith="setup.").exists()


@pytest.mark.parametrize("language", ["en", "zh-hans"])
def test_lists_of_assignments_and_offers_explain_why_and_are_audited(cast: Cast, language: str) -> None:
    conversation = start_with(cast, cast.mei)
    Assignment.objects.update(explanation=EXPLANATION)
    offer = Offer.objects.create(
        conversation=conversation,
        agent=cast.hao,
        department=cast.cards,
        until_at=timezone.now() + timedelta(seconds=20),
        outcome=Offer.Outcome.MISSED,
        explanation=EXPLANATION,
    )
    client = client_of(cast.wen, language)
    for model, record in (("chat_assignment", Assignment.objects.get()), ("routing_offer", offer)):
        listed = client.get(page_of(model), {"department__id__exact": cast.cards.pk}).content.decode()
        assert str(conversation) in listed
        for words, is_found in ((str(conversation.uuid), True), (record.agent.number, True), ("李雷", False)):
            found = client.get(page_of(model), {"q": words})
            assert (str(conversation) in found.content.decode()) is is_found
        shown = client.get(page_of(model, "change", record.pk)).content.decode()
        assert "林梅 &lt;1&gt;" in shown
        assert "2/8" in shown
        assert "42" in shown
    assert len(audit_entries("assignments.read")) == 10
    assert client.post(page_of("routing_offer", "change", offer.pk), {}).status_code == 403


def test_assignment_by_a_colleague_is_explained_by_one_sentence(cast: Cast) -> None:
    start_with(cast, cast.mei)
    shown = client_of(cast.yun).get(page_of("chat_assignment", "change", Assignment.objects.get().pk))
    assert "赵云 9001 gave the conversation to 林梅 1001." in shown.content.decode()


MAY_OPEN = {
    "an": {"accounts_skill", "chat_emergencyrule"},
    "yun": {"chat_assignment", "routing_offer"},
    "wen": {"chat_assignment", "routing_offer"},
    "ning": set[str](),
    "mei": set[str](),
}


@pytest.mark.parametrize("person", MAY_OPEN)
def test_administrators_set_up_routing_and_readers_of_records_see_its_results(
    cast: Cast, person: str
) -> None:
    client = client_of(getattr(cast, person))
    everything = set.union(*MAY_OPEN.values())
    opened = {model for model in everything if client.get(page_of(model)).status_code == 200}
    assert opened == MAY_OPEN[person]
    assert (client.get("/admin/chat/emergencyrule/test/").status_code == 200) == (person == "an")
