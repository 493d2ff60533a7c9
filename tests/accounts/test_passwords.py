"""Tests of passwords and secrets.

No page reveals a password or a secret. An administrator must type their own password to give a staff member a first
password or to renew a secret. The staff member must then choose another password at the first sign-in.
"""

from __future__ import annotations

from typing import Any

import pytest
from django.contrib import admin
from django.contrib.auth import get_user
from django.contrib.sessions.models import Session
from django.test import Client
from pytest_django.fixtures import Settings

from accounts import actions
from accounts.access import CAPABILITIES, may
from accounts.models import AuditEntry, Staff
from chat.protocol import AccessRevoked
from core import rate_limits
from tests.conftest import Announced
from tests.people import PASSWORD, Cast, session_of

pytestmark = pytest.mark.django_db

NEW = "a-lamp-at-night-3"
FORM = {"old_password": PASSWORD, "new_password1": NEW, "new_password2": NEW}
# URL filters that would reveal a secret column letter by letter, directly or through relations between models.
PROBES = (
    "password__startswith",
    "password__regex",
    "password__gte",
    "password",
    "identity_secret__startswith",
    "site__identity_secret__startswith",
    "actor__password__startswith",
    "agent__password__startswith",
    "owner__password__startswith",
    "staff__password__startswith",
    "members__password__startswith",
    "department__members__password__startswith",
    "departments__members__password__startswith",
    "by__password__startswith",
    "visitor__customer_reference__startswith",
    "is_superuser__exact",
    "session__session_data__contains",
)


@pytest.fixture(autouse=True)
def passwords(cast: Cast, settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.REDIS_URL = ""
    monkeypatch.setattr(rate_limits, "local_counters", rate_limits.LocalCounters())
    for staff in (cast.mei, cast.an):
        staff.set_password(PASSWORD)
        staff.save()


def browser_of(staff: Staff) -> Client:
    client = Client()
    client.cookies["sessionid"] = session_of(staff)
    return client


def lists() -> list[Any]:
    return [
        pytest.param(model, id=model._meta.label_lower)
        for model in admin.site._registry
        if model._meta.app_label
    ]


@pytest.mark.parametrize("model", lists())
def test_admin_list_refuses_filters_that_it_does_not_offer(cast: Cast, model: Any) -> None:
    options = model._meta
    path = f"/admin/{options.app_label}/{options.model_name}/"
    for staff in (cast.an, cast.yun, cast.wen, cast.ning):
        client = browser_of(staff)
        if client.get(path).status_code != 200:
            continue
        for probe in PROBES:
            assert client.get(path, {probe: "pbkdf2"}).status_code == 400, (staff.username, probe)
        assert client.get(path, {"o": "password"}).status_code in (200, 302)
        for field in ("password", "identity_secret"):
            assert client.get(path, {"_to_field": field}).status_code == 400
        return
    raise AssertionError("nobody may see this list")


@pytest.mark.parametrize("model", lists())
def test_every_filter_offered_by_an_admin_list_works(cast: Cast, model: Any) -> None:
    options = model._meta
    path = f"/admin/{options.app_label}/{options.model_name}/"
    for staff in (cast.an, cast.yun, cast.wen, cast.ning):
        client = browser_of(staff)
        page = client.get(path)
        if page.status_code != 200:
            continue
        changelist = page.context["cl"]
        for spec in changelist.filter_specs:
            for choice in spec.choices(changelist):
                query = choice.get("query_string")
                assert query is None or client.get(path + query).status_code == 200, query
        return


def test_autocomplete_reveals_nothing_about_passwords(cast: Cast) -> None:
    client = browser_of(cast.an)
    query = {"app_label": "accounts", "model_name": "auditentry", "field_name": "actor", "term": "pbkdf2"}
    answer = client.get("/admin/autocomplete/", query)
    assert answer.status_code in (200, 403, 404)
    assert "pbkdf2" not in answer.content.decode()


def test_changing_ones_own_password_keeps_this_session_and_ends_the_others(
    cast: Cast, announced: Announced
) -> None:
    other, client = session_of(cast.mei), browser_of(cast.mei)
    page = client.get("/console/password/")
    assert page.status_code == 200
    assert client.post("/console/password/", FORM).headers["Location"] == "/console/"
    cast.mei.refresh_from_db()
    assert cast.mei.check_password(NEW)
    assert client.get("/console/").status_code == 200
    assert not Session.objects.filter(session_key=other).exists()
    assert AccessRevoked(cast.mei.pk) in announced.take()
    assert AuditEntry.objects.get(verb="staff.password_set").actor == cast.mei


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"old_password": "wrong"}, "old_password"),
        ({"new_password2": "another-lamp-at-night"}, "new_password2"),
        ({"new_password1": "short", "new_password2": "short"}, "new_password2"),
        ({"new_password1": "password1234", "new_password2": "password1234"}, "new_password2"),
        ({"new_password1": PASSWORD, "new_password2": PASSWORD}, "new_password2"),
    ],
)
def test_weak_or_unconfirmed_password_is_refused_at_its_field(
    cast: Cast, changed: dict[str, str], field: str
) -> None:
    answer = browser_of(cast.mei).post("/console/password/", FORM | changed)
    assert answer.status_code == 422
    assert field in answer.context["form"].errors
    cast.mei.refresh_from_db()
    assert cast.mei.check_password(PASSWORD)


def test_confirming_ones_own_password_is_rate_limited(cast: Cast) -> None:
    client = browser_of(cast.mei)
    for _ in range(5):
        client.post("/console/password/", FORM | {"old_password": "wrong"})
    assert client.post("/console/password/", FORM).status_code == 422
    cast.mei.refresh_from_db()
    assert cast.mei.check_password(PASSWORD)
    assert AuditEntry.objects.filter(verb="staff.own_password_wrong", actor=cast.mei).count() == 5


def test_first_sign_in_requires_a_new_password(cast: Cast) -> None:
    actions.set_password(by=cast.an, staff=cast.mei, password="chosen-by-the-administrator")
    actions.set_password(by=cast.an, staff=cast.yun, password="chosen-by-the-administrator")
    for name, staff in (("mei", cast.mei), ("yun", cast.yun)):
        staff.refresh_from_db()
        assert not any(may(staff, right) for right in CAPABILITIES)
        client = Client()
        client.post("/console/login/", {"login": name, "password": "chosen-by-the-administrator"})
        assert get_user(client) == staff
        html = {"accept": "text/html"}
        for path in ("/console/", "/console/points/", "/console/search"):
            assert client.get(path, headers=html).headers["Location"] == "/console/password/"
        assert client.get("/admin/", follow=True).redirect_chain[-1][0] == "/console/password/"
        refused = client.post("/console/next")
        assert (refused.status_code, refused.json()["refused"]["code"]) == (403, "password_change_due")
        form = FORM | {"old_password": "chosen-by-the-administrator"}
        assert client.post("/console/password/", form).status_code == 302
        assert client.get("/console/", headers=html).status_code == 200


def test_staff_form_ignores_fields_that_it_does_not_show(cast: Cast) -> None:
    client = browser_of(cast.an)
    form = {
        "username": "an", "name": "周安", "number": "9201", "role": "administrator", "capacity": "8",
        "is_active": "on", "is_superuser": "on", "is_staff": "on", "groups": "1", "user_permissions": "1",
        "must_change_password": "on", "password": "x", "last_login": "2020-01-01",
    }  # fmt: skip
    before = Staff.objects.values("is_superuser", "password", "must_change_password").get(pk=cast.an.pk)
    client.post(f"/admin/accounts/staff/{cast.an.pk}/change/", form)
    after = Staff.objects.values("is_superuser", "password", "must_change_password").get(pk=cast.an.pk)
    assert after == before
    for role in ("supervisor", "auditor"):
        client.post(f"/admin/accounts/staff/{cast.an.pk}/change/", form | {"role": role})
    assert Staff.objects.get(pk=cast.an.pk).role == "administrator"
    for staff in (cast.yun, cast.wen, cast.ning):
        answer = browser_of(staff).post(f"/admin/accounts/staff/{staff.pk}/change/", form)
        assert answer.status_code == 403
