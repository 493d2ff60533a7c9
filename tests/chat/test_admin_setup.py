"""Tests of the settings pages in admin: rights, stored values, audit entries and error messages."""

from __future__ import annotations

from collections.abc import Callable
from html.parser import HTMLParser
from io import StringIO
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.core.management import CommandError, call_command
from django.test import Client
from django.urls import reverse
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.models import AuditEntry, Department, Presence, Staff
from chat.models import BusinessText, CannedReply, FormField, QuickTopic, Site, WrapUpCode
from chat.protocol import AccessRevoked
from core import rate_limits
from tests.conftest import Announced
from tests.harness.approvals import approve_pending
from tests.people import PASSWORD, PEOPLE, Cast, go_online, session_of, start_with

pytestmark = pytest.mark.django_db

SignedIn = Callable[[Staff | None], Client]


@pytest.fixture
def signed_in() -> SignedIn:
    def browser(staff: Staff | None) -> Client:
        client = Client()
        if staff is not None:
            client.cookies["sessionid"] = session_of(staff)
        return client

    return browser


def page_of(model: str, what: str = "changelist", *args: Any) -> str:
    return reverse(f"admin:{model}_{what}", args=args)


class FormReader(HTMLParser):
    """HTML parser that collects the data that a browser would submit for the unchanged form of a page."""

    def __init__(self) -> None:
        super().__init__()
        self.data: dict[str, Any] = {}
        self._field = ""
        self._tag = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        name = given.get("name") or ""
        if tag == "option":
            if "selected" in given:
                self._add(self._field, given.get("value"))
        elif tag in {"select", "textarea"}:
            self._field, self._tag = name, tag
            if tag == "textarea":
                self._add(name, "")
        elif tag == "input" and given.get("type") in {"checkbox", "radio"}:
            if "checked" in given:
                self._add(name, given.get("value") or "on")
        elif tag == "input" and given.get("type") != "submit":
            self._add(name, given.get("value"))

    def handle_endtag(self, tag: str) -> None:
        if tag == self._tag:
            self._field = self._tag = ""

    def handle_data(self, data: str) -> None:
        if self._tag == "textarea" and self._field in self.data:
            # HTML drops a line feed directly after <textarea>.
            former = self.data[self._field]
            self.data[self._field] = former + data if former else data.removeprefix("\n")

    def _add(self, name: str, value: str | None) -> None:
        if not name or "__prefix__" in name:
            return
        if name in self.data and name in {"departments", "attachment_types"}:
            former = self.data[name]
            self.data[name] = [*(former if isinstance(former, list) else [former]), value]
        else:
            self.data[name] = value or ""


def form_of(page: Any) -> dict[str, Any]:
    reader = FormReader()
    reader.feed(page.content.decode())
    return reader.data


def audit_entries(verb: str) -> list[AuditEntry]:
    return list(AuditEntry.objects.filter(verb=verb).order_by("pk"))


# -- access ----------------------------------------------------------------------------------------------------


def test_admin_login_redirects_to_the_console_login(cast: Cast) -> None:
    client = Client()
    answer = client.get("/admin/", follow=True)
    assert [url for url, _ in answer.redirect_chain] == [
        "/admin/login/?next=/admin/",
        "/console/login/?next=/admin/",
    ]
    assert client.post("/admin/login/", {"username": "an", "password": "x"}).status_code == 302


def test_agents_are_refused_even_with_is_staff(cast: Cast, signed_in: SignedIn) -> None:
    Staff.objects.filter(pk=cast.mei.pk).update(is_staff=True, is_superuser=True)
    client = signed_in(cast.mei)
    assert client.get("/admin/", follow=True).status_code == 403
    assert client.get("/admin/login/").status_code == 403
    assert client.get(page_of("chat_site"), follow=True).status_code == 403


SET_UP = ("chat_site", "chat_wrapupcode", "accounts_staff", "accounts_department")
MAY_OPEN = {
    "an": {*SET_UP, "chat_cannedreply", "accounts_auditentry"},
    "yun": {"chat_cannedreply", "chat_conversation"},
    "wen": {"chat_conversation", "accounts_auditentry"},
    "mei": set[str](),
}


@pytest.mark.parametrize("person", MAY_OPEN)
def test_each_role_opens_exactly_the_lists_that_its_index_shows(
    cast: Cast, signed_in: SignedIn, person: str
) -> None:
    client = signed_in(getattr(cast, person))
    everything = set.union(*MAY_OPEN.values())
    opened = {model for model in everything if client.get(page_of(model)).status_code == 200}
    assert opened == MAY_OPEN[person]
    if opened:
        first = client.get("/admin/").content.decode()
        assert {model for model in everything if page_of(model) in first} == opened


@pytest.mark.both_databases
def test_administrators_add_setup_and_only_shared_replies_can_be_deleted(
    cast: Cast, signed_in: SignedIn
) -> None:
    reply = CannedReply.objects.create(shortcut="hi", title="hi", body="hi")
    subjects = {
        "chat_site": cast.site,
        "chat_wrapupcode": cast.done,
        "accounts_staff": cast.mei,
        "accounts_department": cast.cards,
        "chat_cannedreply": reply,
        "accounts_auditentry": AuditEntry.objects.create(verb="x", object_type="", object_id=""),
        "chat_conversation": start_with(cast, cast.mei),
    }
    added, deleted = set(), set()
    for person in MAY_OPEN:
        client = signed_in(getattr(cast, person))
        for model, subject in subjects.items():
            if client.get(page_of(model, "add")).status_code == 200:
                added.add((person, model))
            if client.post(page_of(model, "delete", subject.pk), {}).status_code == 200:
                deleted.add((person, model))
    editors = {("an", "chat_cannedreply"), ("yun", "chat_cannedreply")}
    assert added == {("an", model) for model in SET_UP} | editors
    assert deleted == editors


# -- staff -----------------------------------------------------------------------------------------------------

NEW = {
    "username": "xin",
    "name": "何新",
    "name_en": "Xin He",
    "number": "1009",
    "role": "agent",
    "capacity": 5,
    "password1": "a-lamp-at-night-3",
    "password2": "a-lamp-at-night-3",
    "own_password": PASSWORD,
}


@pytest.fixture
def administrator_password(cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    """Give the administrator a password for confirmations, and reset the counters of wrong passwords."""
    settings.REDIS_URL = ""
    monkeypatch.setattr(rate_limits, "local_counters", rate_limits.LocalCounters())
    cast.an.set_password(PASSWORD)
    cast.an.save()


@pytest.mark.both_databases
@pytest.mark.usefixtures("administrator_password")
def test_new_staff_member_is_stored_with_a_password_and_audited(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    answer = client.post(page_of("accounts_staff", "add"), NEW | {"departments": [cast.cards.pk]})
    assert answer.status_code == 302
    staff = Staff.objects.get(username="xin")
    assert staff.check_password("a-lamp-at-night-3")
    assert (staff.role, staff.number, list(staff.departments.all())) == ("agent", "1009", [cast.cards])
    assert not staff.is_staff
    assert not staff.is_superuser
    assert staff.must_change_password
    (entry,) = audit_entries("staff.created")
    assert (entry.actor, entry.object_id) == (cast.an, str(staff.pk))
    assert "lamp" not in str(entry.detail)


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"password2": "another"}, "password2"),
        ({"password1": "short", "password2": "short"}, "password2"),
        ({"username": "lampatnight", "password1": "lampatnight", "password2": "lampatnight"}, "password2"),
        ({"number": "1001"}, "number"),
        ({"username": "mei"}, "username"),
        ({"role": "owner"}, "role"),
        ({"own_password": "wrong"}, "own_password"),
        ({"own_password": ""}, "own_password"),
    ],
)
@pytest.mark.usefixtures("administrator_password")
def test_invalid_new_account_shows_the_error_at_its_field(
    cast: Cast, signed_in: SignedIn, changed: dict[str, str], field: str
) -> None:
    answer = signed_in(cast.an).post(page_of("accounts_staff", "add"), NEW | changed)
    assert answer.status_code == 200
    assert field in answer.context["adminform"].form.errors
    assert Staff.objects.count() == len(PEOPLE)


def test_deactivating_staff_ends_session_presence_and_console(
    cast: Cast, signed_in: SignedIn, announced: Announced
) -> None:
    go_online(cast.mei)
    conversation = start_with(cast, cast.mei)
    theirs, mine = session_of(cast.mei), signed_in(cast.an)
    page = page_of("accounts_staff", "change", cast.mei.pk)
    form = form_of(mine.get(page))
    assert form.pop("is_active")
    announced.take()
    answer = mine.post(page, form, follow=True)
    cast.mei.refresh_from_db()
    assert not cast.mei.is_active
    assert AccessRevoked(cast.mei.pk) in announced.take()
    assert not Session.objects.filter(session_key=theirs).exists()
    assert Presence.objects.get(staff=cast.mei).status == "offline"
    assert audit_entries("staff.changed")[0].detail["is_active"] is False
    # A warning must give the number of open conversations that need another agent.
    assert "1" in str([message.message for message in answer.context["messages"]])
    conversation.refresh_from_db()
    assert conversation.agent == cast.mei


@pytest.mark.parametrize(
    ("changes", "ends"),
    [
        ({"role": "auditor"}, True),
        ({"departments": []}, True),
        ({"name": "林小梅"}, False),
        ({"capacity": 3}, False),
        ({}, False),
    ],
)
def test_only_a_loss_of_rights_ends_the_console(
    cast: Cast, signed_in: SignedIn, announced: Announced, changes: dict[str, Any], ends: bool
) -> None:
    client = signed_in(cast.an)
    page = page_of("accounts_staff", "change", cast.mei.pk)
    form = form_of(client.get(page)) | changes
    assert client.post(page, form).status_code == 302
    assert (AccessRevoked(cast.mei.pk) in announced.take()) is ends
    assert bool(audit_entries("staff.changed")) is bool(changes)
    cast.mei.refresh_from_db()
    assert cast.mei.is_staff is (changes.get("role") == "auditor")


def test_administrators_cannot_remove_their_own_rights(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    page = page_of("accounts_staff", "change", cast.an.pk)
    form = form_of(client.get(page))
    for sent in (form | {"role": "agent"}, {k: v for k, v in form.items() if k != "is_active"}):
        answer = client.post(page, sent)
        assert answer.status_code == 200
        assert answer.context["adminform"].form.non_field_errors()
    changed = Staff.objects.get(pk=cast.an.pk)
    changed.is_active = False
    with pytest.raises(actions.OwnRightsRefused):
        actions.change_staff(by=cast.an, staff=changed, departments=[])
    cast.an.refresh_from_db()
    assert (cast.an.is_active, cast.an.role) == (True, "administrator")


@pytest.mark.both_databases
@pytest.mark.usefixtures("administrator_password")
def test_new_password_ends_every_session_of_the_account(
    cast: Cast, signed_in: SignedIn, announced: Announced
) -> None:
    theirs = [session_of(cast.mei), session_of(cast.mei)]
    others = session_of(cast.hao)
    page = reverse("admin:auth_user_password_change", args=[cast.mei.pk])
    client = signed_in(cast.an)
    own = {"own_password": PASSWORD}
    bad = client.post(page, own | {"new_password1": "short", "new_password2": "short"})
    assert bad.status_code == 200
    assert bad.context["form"].errors
    good = {"new_password1": "a-lamp-at-night-3", "new_password2": "a-lamp-at-night-3"}
    for wrong_confirmation in ({}, {"own_password": "a-lamp-at-night-3"}):
        assert client.post(page, good | wrong_confirmation).context["form"].errors.keys() == {"own_password"}
    assert Session.objects.filter(session_key__in=theirs).count() == 2
    assert client.post(page, good | own).status_code == 302
    cast.mei.refresh_from_db()
    assert cast.mei.check_password("a-lamp-at-night-3")
    assert cast.mei.must_change_password
    assert not Session.objects.filter(session_key__in=theirs).exists()
    assert Session.objects.filter(session_key=others).exists()
    assert AccessRevoked(cast.mei.pk) in announced.take()
    assert audit_entries("staff.password_set")[0].actor == cast.an


def test_own_password_change_keeps_only_the_current_session(cast: Cast, signed_in: SignedIn) -> None:
    cast.yun.set_password("the-old-one-of-yun")
    cast.yun.save()
    other, client = session_of(cast.yun), signed_in(cast.yun)
    form = {"new_password1": "a-lamp-at-night-3", "new_password2": "a-lamp-at-night-3"}
    assert client.get("/admin/password_change/").headers["Location"] == "/console/password/"
    assert client.post("/console/password/", form | {"old_password": "wrong"}).status_code == 422
    right = form | {"old_password": "the-old-one-of-yun"}
    assert client.post("/console/password/", right).status_code == 302
    assert not Session.objects.filter(session_key=other).exists()
    assert client.get("/admin/").status_code == 200


def test_supervisors_cannot_set_passwords_of_others(cast: Cast, signed_in: SignedIn) -> None:
    page = reverse("admin:auth_user_password_change", args=[cast.an.pk])
    form = {"new_password1": "a-lamp-at-night-3", "new_password2": "a-lamp-at-night-3"}
    assert signed_in(cast.yun).post(page, form).status_code == 403
    assert not audit_entries("staff.password_set")


def test_create_administrator_command_creates_the_first_administrator(
    db: None, monkeypatch: pytest.MonkeyPatch, signed_in: SignedIn
) -> None:
    monkeypatch.setattr("sys.stdin", StringIO("short\n"))
    with pytest.raises(CommandError):
        call_command("create_administrator", "root", number="1")
    assert not Staff.objects.exists()
    monkeypatch.setattr("sys.stdin", StringIO("a-lamp-at-night-3\n"))
    call_command("create_administrator", "root", number="1", stdout=StringIO())
    with pytest.raises(CommandError):
        call_command("create_administrator", "root", number="2")
    staff = Staff.objects.get()
    assert staff.check_password("a-lamp-at-night-3")
    assert (staff.role, staff.is_superuser) == ("administrator", False)
    assert signed_in(staff).get(page_of("chat_site")).status_code == 200
    assert audit_entries("staff.created")[0].actor is None


# -- departments, codes, replies -------------------------------------------------------------------------------


def test_departments_and_wrap_up_codes_are_stored_and_audited(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    form = {"name_zh": "理财", "name_en": "Savings", "code": "savings", "is_active": "on", "order": 3}
    assert client.post(page_of("accounts_department", "add"), form).status_code == 302
    assert client.post(page_of("chat_wrapupcode", "add"), form).status_code == 302
    # Customers see a department's name, so it needs approval; wrap-up codes are for staff only.
    assert not Department.objects.get(code="savings").is_active
    assert approve_pending(by=cast.yun) == 1
    assert Department.objects.get(code="savings").is_active
    department, code = Department.objects.get(code="savings"), WrapUpCode.objects.get(code="savings")
    del form["is_active"], form["code"]
    no_policy = {"policy-TOTAL_FORMS": 0, "policy-INITIAL_FORMS": 0}
    page = page_of("accounts_department", "change", department.pk)
    assert client.post(page, form | no_policy).status_code == 302
    assert client.post(page_of("chat_wrapupcode", "change", code.pk), form).status_code == 302
    department.refresh_from_db()
    assert (department.is_active, department.code) == (False, "savings")
    assert [entry.detail for entry in audit_entries("department.changed")] == [
        {"fields": ["is_active", "name_en", "name_zh"]},
        {"fields": ["is_active"]},
    ]
    assert [
        entry.detail["kind"] for entry in (*audit_entries("setup.created"), *audit_entries("setup.changed"))
    ] == [
        "wrapupcode",
        "wrapupcode",
    ]


def test_shared_replies_are_editable_and_personal_ones_are_not(cast: Cast, signed_in: SignedIn) -> None:
    personal = CannedReply.objects.create(owner=cast.mei, shortcut="mine", title="mine", body="mine")
    client = signed_in(cast.yun)
    form = {
        "language": "zh",
        "department": "",
        "shortcut": "ka",
        "title": "吞卡",
        "body": "请稍等 {visitor_name}",
    }
    sent = client.post(page_of("chat_cannedreply", "add"), form, follow=True)
    assert "已送审：吞卡" in sent.content.decode()
    assert not CannedReply.objects.filter(shortcut="ka").exists()
    assert approve_pending(by=cast.an) == 1
    reply = CannedReply.objects.get(shortcut="ka")
    assert reply.initials.split()[0] == "tk"
    again = client.post(page_of("chat_cannedreply", "add"), form)
    assert "shortcut" in again.context["adminform"].form.errors
    assert "吞卡" in client.get(page_of("chat_cannedreply"), {"q": "tk"}).content.decode()
    assert client.get(page_of("chat_cannedreply", "change", personal.pk)).status_code == 302
    assert client.post(page_of("chat_cannedreply", "delete", reply.pk), {"post": "yes"}).status_code == 302
    replies = AuditEntry.objects.filter(verb__startswith="reply.").order_by("pk")
    assert [entry.verb for entry in replies] == ["reply.created", "reply.deleted"]


# -- sites -----------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_change_of_a_site_with_its_parts_audits_each_part(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    page = page_of("chat_site", "change", cast.site.pk)
    form = form_of(client.get(page))
    first = cast.site.form_fields.order_by("order")[0]
    deleted = cast.site.quick_topics.order_by("order", "id")[0]
    form |= {
        "title_zh": "找人聊聊",
        "attachment_types": ["image/png", "application/pdf"],
        "form_fields-0-label_zh": "您贵姓",
        "quick_topics-0-DELETE": "on",
        "texts-TOTAL_FORMS": 1,
        "texts-0-code": "privacy",
        "texts-0-language": "zh",
        "texts-0-body": "请不要写密码。",
    }
    answer = client.post(page, form)
    assert answer.status_code == 302, answer.context["errors"]
    cast.site.refresh_from_db()
    # Removing file types and a topic takes effect at once; new texts wait for approval.
    assert cast.site.title_zh != "找人聊聊"
    assert not BusinessText.objects.exists()
    assert approve_pending(by=cast.yun) == 3
    cast.site.refresh_from_db()
    assert cast.site.title_zh == "找人聊聊"
    assert cast.site.attachment_types == ["image/png", "application/pdf"]
    assert FormField.objects.get(pk=first.pk).label_zh == "您贵姓"
    assert not QuickTopic.objects.filter(pk=deleted.pk).exists()
    assert BusinessText.objects.get().body == "请不要写密码。"
    entries = AuditEntry.objects.filter(verb__startswith="setup.").order_by("pk")
    assert [(entry.verb, entry.detail["kind"]) for entry in entries] == [
        ("setup.changed", "site"),
        ("setup.removed", "quicktopic"),
        ("setup.changed", "site"),
        ("setup.changed", "formfield"),
        ("setup.created", "businesstext"),
    ]
    assert {entry.object_id for entry in entries} == {str(cast.site.pk)}
    assert [entry.detail.get("fields") for entry in entries][:3] == [["attachment_types"], None, ["title_zh"]]


def test_unchanged_site_is_not_audited(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    page = page_of("chat_site", "change", cast.site.pk)
    assert client.post(page, form_of(client.get(page))).status_code == 302
    assert not AuditEntry.objects.exists()


@pytest.mark.parametrize(
    ("origins", "part"),
    [
        ("www.bank.example", "www.bank.example"),
        ("https://www.bank.example/", "https://www.bank.example/"),
        ("https://www.bank.example\nhttps://bank.example/path?x=1", "/path?x=1"),
        ("https://*.bank.example", "*.bank.example"),
        ("javascript:alert(1)", "javascript:alert(1)"),
        ("https://a.example; script-src *", "script-src"),
        ("", ""),
    ],
)
def test_error_for_an_invalid_origin_quotes_it(
    cast: Cast, signed_in: SignedIn, origins: str, part: str
) -> None:
    client = signed_in(cast.an)
    page = page_of("chat_site", "change", cast.site.pk)
    answer = client.post(page, form_of(client.get(page)) | {"allowed_origins": origins})
    assert answer.status_code == 200
    (message,) = answer.context["adminform"].form.errors["allowed_origins"]
    assert part in message
    cast.site.refresh_from_db()
    assert cast.site.allowed_origins == "https://www.bank.example"


@pytest.mark.usefixtures("administrator_password")
def test_secret_is_shown_once_and_never_audited(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    page = page_of("chat_site", "change", cast.site.pk)
    before = cast.site.identity_secret
    shown = client.get(page).content.decode()
    assert before not in shown
    assert f"data-site=&quot;{cast.site.key}&quot;" in shown
    make = reverse("admin:chat_site_secret", args=[cast.site.pk])
    assert before not in client.get(make).content.decode()
    assert client.post(make, {"own_password": "wrong"}).context["form"].errors
    assert Site.objects.get(pk=cast.site.pk).identity_secret == before
    made = client.post(make, {"own_password": PASSWORD})
    assert "no-store" in made.headers["Cache-Control"]
    after = Site.objects.get(pk=cast.site.pk).identity_secret
    assert after != before
    assert len(after) >= 40
    assert after in made.content.decode()
    for again in (client.get(make), client.get(page), client.get(page_of("chat_site"))):
        assert after not in again.content.decode()
    assert [entry.verb for entry in AuditEntry.objects.order_by("pk")] == [
        "staff.own_password_wrong",
        "site.secret_renewed",
    ]
    assert after not in str(list(AuditEntry.objects.values()))


def test_site_key_cannot_be_changed(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    page = page_of("chat_site", "change", cast.site.pk)
    assert client.post(page, form_of(client.get(page)) | {"key": "other"}).status_code == 302
    assert Site.objects.get(pk=cast.site.pk).key == cast.site.key


def test_new_site_gets_its_own_key_and_waits_for_approval(cast: Cast, signed_in: SignedIn) -> None:
    client = signed_in(cast.an)
    page = page_of("chat_site", "add")
    form = form_of(client.get(page)) | {
        "name_zh": "乙行",
        "name_en": "B",
        "allowed_origins": "https://b.example:8443",
        "department": cast.cards.pk,
    }
    answer = client.post(page, form)
    assert answer.status_code == 302, answer.context["errors"]
    site = Site.objects.get(name_en="B")
    assert len(site.key) == 16
    assert site.origins == ["https://b.example:8443"]
    assert audit_entries("setup.created")[0].object_id == str(site.pk)
    # One approval request shows the whole site; until it is approved no page may show the widget.
    assert not site.is_active
    assert approve_pending(by=cast.yun) == 1
    site.refresh_from_db()
    assert site.is_active
