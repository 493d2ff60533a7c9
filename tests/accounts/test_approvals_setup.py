"""Tests of approval for content that visitors see: sites, texts, replies, branches and departments."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import translation

from accounts.approvals import actions
from accounts.approvals.errors import OwnWork, RecordTaken, SubjectChanged
from accounts.approvals.models import ApprovalRequest
from accounts.departments import save_department
from accounts.models import AuditEntry, Department, Staff
from chat.actions.canned_replies import delete_reply, save_reply, withdraw_replies
from chat.actions.setup import remove_setup, renew_secret, save_setup, switch_site_on
from chat.errors import ShortcutTaken
from chat.models import BusinessText, CannedReply, QuickTopic, Site, WrapUpCode
from console.approvals.comparison import comparison_of
from knowledge.actions.branches import import_branches, save_branch
from knowledge.models import Branch, Region
from tests.harness.approvals import approve_pending, pending
from tests.people import Cast, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


@pytest.fixture
def second(cast: Cast) -> Staff:
    """Return a second administrator, who may approve the changes of the first one.

    The supervisor is not allowed to approve changes of settings that only administrators may change.
    """
    return Staff.objects.create(username="er", name="尔", number="9202", role="administrator")


def changed(site: Site, **values: Any) -> Site:
    fresh = Site.objects.get(pk=site.pk)
    for name, value in values.items():
        setattr(fresh, name, value)
    return fresh


def save_site(by: Staff, site: Site, **values: Any) -> ApprovalRequest | None:
    return save_setup(by=by, subject=changed(site, **values), fields=list(values))


def stored(site: Site) -> Site:
    return Site.objects.get(pk=site.pk)


# -- Sites -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("hotline", "95001"),
        ("name_zh", "青蓝银行"),
        ("title_en", "Talk"),
        ("launcher_zh", "问"),
        ("accent", "#ff0000"),
        ("position", "left"),
        ("allowed_origins", "https://www.bank.example\nhttps://evil.example"),
        ("attachment_megabytes", 50),
    ],
)
def test_site_field_that_visitors_see_waits_for_approval(cast: Cast, field: str, value: Any) -> None:
    before = getattr(cast.site, field)
    request = save_site(cast.an, cast.site, **{field: value})
    assert request is not None
    assert (request.before, request.after) == ({field: before}, {field: value})
    assert getattr(stored(cast.site), field) == before
    with pytest.raises(OwnWork):
        approve_pending(by=cast.an)
    approve_pending(by=cast.yun)
    assert getattr(stored(cast.site), field) == value


def test_restricting_a_site_takes_effect_immediately(cast: Cast) -> None:
    save_site(cast.an, cast.site, allowed_origins="https://a.example\nhttps://www.bank.example")
    approve_pending(by=cast.yun)
    for field, value in (
        ("allowed_origins", "https://a.example"),
        ("attachment_types", ["image/png"]),
        ("attachment_megabytes", 2),
        ("suggests_answers", False),
        ("attachments", False),
        ("is_active", False),
    ):
        assert save_site(cast.an, cast.site, **{field: value}) is None, field
        assert getattr(stored(cast.site), field) == value
    assert not pending()


def test_lifting_a_restriction_of_a_site_waits_for_approval(cast: Cast) -> None:
    taken = {"attachments": False, "suggests_answers": False, "attachment_types": ["image/png"]}
    save_site(cast.an, cast.site, **taken)
    save_site(cast.an, cast.site, attachments=True, suggests_answers=True, attachment_types=[])
    (request,) = pending()
    assert set(request.after) == set(taken)
    assert not stored(cast.site).attachments


def test_new_identity_secret_takes_effect_immediately(cast: Cast) -> None:
    former = cast.site.identity_secret
    renew_secret(by=cast.an, site=cast.site)
    assert stored(cast.site).identity_secret != former
    assert not pending()


def test_changes_of_two_administrators_are_approved_together_by_a_third_person(
    cast: Cast, second: Staff
) -> None:
    save_site(cast.an, cast.site, hotline="95001")
    save_site(second, cast.site, title_zh="找人聊聊")
    (request,) = pending()
    assert request.after == {"hotline": "95001", "title_zh": "找人聊聊"}
    for author in (cast.an, second):
        with pytest.raises(OwnWork):
            approve_pending(by=author)
    approve_pending(by=cast.yun)
    assert (stored(cast.site).hotline, stored(cast.site).title_zh) == ("95001", "找人聊聊")


def test_inactive_site_changes_immediately_and_is_activated_as_a_whole(cast: Cast, second: Staff) -> None:
    save_site(cast.an, cast.site, is_active=False)
    assert save_site(cast.an, cast.site, hotline="95001") is None
    assert stored(cast.site).hotline == "95001"
    text = BusinessText(site=cast.site, code="privacy", language="zh", body="请不要写密码。")
    assert save_setup(by=second, subject=text, fields=[]) is None
    request = switch_site_on(by=second, site=cast.site)
    assert request.after["hotline"] == "95001"
    assert request.after["texts"] == [["privacy", "zh", "请不要写密码。"]]
    assert len(request.after["form_fields"]) == len(request.after["quick_topics"]) == 2
    # Everybody who changed a part of the inactive site counts as an author of it.
    with pytest.raises(OwnWork):
        approve_pending(by=cast.an)
    # The pending request includes later changes.
    save_setup(by=second, subject=QuickTopic(
        site=cast.site, language="zh", label="新", first_message="新", department=cast.cards
    ), fields=[])  # fmt: skip
    remove_setup(by=second, subject=text)
    (renewed,) = pending()
    assert (len(renewed.after["quick_topics"]), renewed.after["texts"]) == (3, [])
    assert not stored(cast.site).is_active
    approve_pending(by=cast.yun)
    assert stored(cast.site).is_active


def test_site_changed_after_the_request_to_activate_it_stays_inactive(cast: Cast) -> None:
    save_site(cast.an, cast.site, is_active=False)
    switch_site_on(by=cast.an, site=cast.site)
    Site.objects.update(hotline="666")
    with pytest.raises(SubjectChanged):
        approve_pending(by=cast.yun)
    assert not stored(cast.site).is_active


@pytest.mark.parametrize("kind", ["form_fields", "quick_topics", "texts"])
def test_parts_of_a_site_wait_for_approval_but_are_removed_immediately(cast: Cast, kind: str) -> None:
    BusinessText.objects.create(site=cast.site, code="privacy", language="zh", body="旧")
    part = getattr(cast.site, kind).order_by("pk")[0]
    field = {"form_fields": "label_zh", "quick_topics": "first_message", "texts": "body"}[kind]
    before = getattr(part, field)
    setattr(part, field, "新的话")
    save_setup(by=cast.an, subject=part, fields=[field])
    part.refresh_from_db()
    assert getattr(part, field) == before
    approve_pending(by=cast.yun)
    part.refresh_from_db()
    assert getattr(part, field) == "新的话"
    setattr(part, field, "再改")
    save_setup(by=cast.an, subject=part, fields=[field])
    remove_setup(by=cast.an, subject=part)
    assert not type(part).objects.filter(pk=part.pk).exists()
    assert not pending()


def test_new_text_waits_once_and_a_competing_one_is_refused(
    cast: Cast,
) -> None:
    def text(body: str) -> BusinessText:
        return BusinessText(site=cast.site, code="privacy", language="zh", body=body)

    for body in ("请不要写密码。", "请不要写密码。", "别写密码"):
        save_setup(by=cast.an, subject=text(body), fields=[])
    first, other = pending()
    actions.approve(by=cast.yun, uuid=first.uuid, digest=first.digest)
    with pytest.raises(RecordTaken):
        actions.approve(by=cast.yun, uuid=other.uuid, digest=other.digest)
    assert BusinessText.objects.get().body == "请不要写密码。"


def test_wrap_up_code_changes_immediately(cast: Cast) -> None:
    code = WrapUpCode.objects.get()
    code.name_zh = "办好了"
    assert save_setup(by=cast.an, subject=code, fields=["name_zh"]) is None
    assert WrapUpCode.objects.get().name_zh == "办好了"


# -- Departments -----------------------------------------------------------------------------------------------------


def test_department_name_waits_for_approval_but_deactivation_does_not(cast: Cast) -> None:
    cast.cards.name_zh = "卡"
    assert save_department(by=cast.an, department=cast.cards, changed=["name_zh"]) is not None
    assert Department.objects.get(code="cards").name_zh == "信用卡"
    approve_pending(by=cast.yun)
    department = Department.objects.get(code="cards")
    assert department.name_zh == "卡"
    department.is_active = False
    assert save_department(by=cast.an, department=department, changed=["is_active"]) is None
    assert not Department.objects.get(code="cards").is_active


def test_activation_of_a_department_shows_the_name_changed_while_inactive(cast: Cast, second: Staff) -> None:
    Department.objects.filter(code="cards").update(is_active=False)
    department = Department.objects.get(code="cards")
    department.name_zh = "卡部"
    assert save_department(by=second, department=department, changed=["name_zh"]) is None
    department.is_active = True
    request = save_department(by=cast.an, department=department, changed=["is_active"])
    assert request is not None
    assert request.after["name_zh"] == "卡部"
    for author in (second, cast.an):
        with pytest.raises(OwnWork):
            approve_pending(by=author)
    approve_pending(by=cast.yun)
    assert Department.objects.get(code="cards").is_active


# -- Replies ---------------------------------------------------------------------------------------------------------


def a_reply(**fields: Any) -> CannedReply:
    return CannedReply(**{"shortcut": "sd", "title": "稍等", "body": "请稍等。", **fields})


def test_shared_reply_waits_for_approval_but_a_personal_one_does_not(cast: Cast) -> None:
    assert save_reply(staff=cast.mei, reply=a_reply(owner=cast.mei)) is None
    for reply in (a_reply(), a_reply(department=cast.cards)):
        assert save_reply(staff=cast.yun, reply=reply) is not None
    assert CannedReply.objects.count() == 1
    with pytest.raises(OwnWork):
        approve_pending(by=cast.yun)
    assert approve_pending(by=cast.an) == 2
    shared = CannedReply.objects.get(owner=None, department=None)
    assert shared.initials == "sd shaodeng"
    shared.body = "马上就好。"
    request = save_reply(staff=cast.yun, reply=shared)
    assert request is not None
    assert (request.before["body"], request.after["body"]) == ("请稍等。", "马上就好。")
    delete_reply(staff=cast.yun, pk=shared.pk)
    assert not pending()


def test_sharing_a_personal_reply_waits_for_approval(cast: Cast) -> None:
    own = a_reply(owner=cast.yun)
    save_reply(staff=cast.yun, reply=own)
    own.owner = None
    save_reply(staff=cast.yun, reply=own)
    assert CannedReply.objects.get().owner == cast.yun
    approve_pending(by=cast.an)
    assert CannedReply.objects.get().owner is None


def test_taken_shortcut_is_refused_on_saving_and_on_approval(cast: Cast) -> None:
    save_reply(staff=cast.yun, reply=a_reply())
    save_reply(staff=cast.yun, reply=a_reply(body="别的话"))
    first, other = pending()
    actions.approve(by=cast.an, uuid=first.uuid, digest=first.digest)
    with pytest.raises(RecordTaken):
        actions.approve(by=cast.an, uuid=other.uuid, digest=other.digest)
    with pytest.raises(ShortcutTaken):
        save_reply(staff=cast.yun, reply=a_reply(body="第三"))


def test_reply_made_from_a_withdrawn_point_is_withdrawn(cast: Cast) -> None:
    save_reply(staff=cast.yun, reply=a_reply(source="point/1/1"))
    withdraw_replies(source="point/1/1")
    assert not pending()
    assert ApprovalRequest.objects.get().state == ApprovalRequest.State.WITHDRAWN


# -- Branches --------------------------------------------------------------------------------------------------------


def a_branch(**fields: Any) -> Branch:
    region, _is_new = Region.objects.get_or_create(name="城北区")
    return Branch(
        **{"key": "north", "name": "城北支行", "region": region, "address": "城北路1号", "weekday_hours": "24h",
           "telephone": "0571-1", "latitude": Decimal("29.9"), "longitude": Decimal("124.1"), **fields}
    )  # fmt: skip


def test_branch_waits_for_approval_except_duty_contact_and_deactivation(cast: Cast) -> None:
    assert save_branch(by=cast.ning, branch=a_branch(), changed=[]) is not None
    assert not Branch.objects.exists()
    approve_pending(by=cast.yun)
    branch = Branch.objects.get()
    branch.telephone, branch.duty_contact = "0571-2", "裴敏"
    save_branch(by=cast.ning, branch=branch, changed=["telephone", "duty_contact"])
    branch.refresh_from_db()
    assert (branch.telephone, branch.duty_contact) == ("0571-1", "裴敏")
    with pytest.raises(OwnWork):
        approve_pending(by=cast.ning)
    edition = branch.edition
    approve_pending(by=cast.yun)
    branch.refresh_from_db()
    assert branch.telephone == "0571-2"
    assert branch.edition > edition
    branch.is_active = False
    assert save_branch(by=cast.ning, branch=branch, changed=["is_active"]) is None
    assert not Branch.objects.get().is_active


def test_branches_imported_by_staff_wait_but_those_of_a_command_do_not(cast: Cast) -> None:
    import_branches(by=None, given=[(a_branch(), "城北区")])
    given = [(a_branch(telephone="110", duty_contact="裴敏"), "城北区"), (a_branch(key="south"), "城南区")]
    for _ in range(2):
        import_branches(by=cast.ning, given=given)
    north = Branch.objects.get()
    assert (north.telephone, north.duty_contact) == ("0571-1", "裴敏")
    assert {request.subject for request in pending()} == {"north", "south"}
    assert approve_pending(by=cast.yun) == 2
    assert set(Branch.objects.values_list("telephone", flat=True)) == {"110", "0571-1"}


# -- Admin -----------------------------------------------------------------------------------------------------------


def test_admin_shows_pending_requests_and_the_review_page_shows_every_kind(cast: Cast) -> None:
    client = Client(headers={"accept-language": "en", "accept": "text/html"})
    client.cookies["sessionid"] = session_of(cast.an)
    save_site(cast.an, cast.site, hotline="95001")
    topic = cast.site.quick_topics.order_by("pk")[0]
    topic.label = "吞卡了"
    save_setup(by=cast.an, subject=topic, fields=["label"])
    text = BusinessText(site=cast.site, code="privacy", language="zh", body="请不要写密码。")
    save_setup(by=cast.an, subject=text, fields=[])
    page = client.get(f"/admin/chat/site/{cast.site.pk}/change/").content.decode()
    assert len(pending()) == 3
    for request in pending():
        assert f"Waiting for approval: {request.title}." in page
    save_reply(staff=cast.yun, reply=a_reply())
    save_branch(by=cast.ning, branch=a_branch(), changed=[])
    cast.cards.name_zh = "卡"
    save_department(by=cast.an, department=cast.cards, changed=["name_zh"])
    reader = Client(headers={"accept-language": "en", "accept": "text/html"})
    reader.cookies["sessionid"] = session_of(cast.yun)
    shown = reader.get("/console/approvals/review", {"id": [str(request.uuid) for request in pending()]})
    for expected in (
        "Hotline",
        "95001",
        "请稍等。",
        "城北路1号",
        "Region",
        "城北区",
        "Name in Chinese",
        "卡",
    ):
        assert expected in shown.content.decode(), expected
    assert AuditEntry.objects.filter(verb="approval.requested").count() == 6


def test_fields_of_a_request_are_shown_in_the_order_of_the_form(cast: Cast) -> None:
    reply = CannedReply(language="zh", shortcut="kh", title="开户", body="您好，开户请带身份证。")
    save_reply(staff=cast.yun, reply=reply)
    (request,) = pending()
    with translation.override("en"):
        comparison = comparison_of(request, cast.an)
    assert [change.name for change in comparison.changes] == [
        "Language",
        "Shortcut",
        "Title",
        "Text",
        "In use",
    ]
