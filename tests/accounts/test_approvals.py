"""Approval: bound to exactly what was shown, once, in time, and never by anybody who wrote a part of it."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.core.exceptions import PermissionDenied
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, connection, transaction
from django.test import Client, override_settings
from django.utils import timezone

from accounts.approvals import actions, selectors
from accounts.approvals.errors import (
    ContentChanged,
    OwnWork,
    ReasonMissing,
    RequestClosed,
    RequestExpired,
    RequestNotFound,
    SubjectChanged,
)
from accounts.approvals.models import ApprovalRequest
from accounts.models import AuditEntry, Staff
from core import periodic
from core.refusals import Refusal
from knowledge.actions import editing, files, imports, phrasings, points
from knowledge.actions.branches import category_at
from knowledge.content import Content
from knowledge.models import Phrasing, Point, PointFile, UnansweredQuestion, Version
from tests.harness.approvals import approve_pending, approve_version, pending
from tests.harness.files import pdf
from tests.people import Cast, create_cast, session_of

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

State = ApprovalRequest.State
PDF = pdf()


def a_content(answer: str = "请在手机银行里挂失。", **other: Any) -> Content:
    return Content(title="卡丢了怎么挂失？", answer=answer, category=category_at("银行卡/挂失"), **other)


def a_draft(by: Staff, key: str = "card-lost", **other: Any) -> Version:
    return points.create_point(
        by=by, key=key, language="zh", owner=None, content=a_content(**other), phrasings=["卡丢了"]
    )


def in_review(by: Staff, **other: Any) -> Version:
    version = a_draft(by, **other)
    points.submit(by=by, version=version.pk)
    return version


def published(cast: Cast, **other: Any) -> Point:
    approve_version(by=cast.yun, version=in_review(cast.ning, **other).pk)
    return Point.objects.select_related("published").get()


def client_of(staff: Staff) -> Client:
    client = Client(headers={"accept-language": "en", "accept": "text/html"})
    client.cookies["sessionid"] = session_of(staff)
    return client


# -- The mechanism -------------------------------------------------------------------------------------------------


def test_approve_with_digest_of_words_changed_meanwhile_is_refused(cast: Cast) -> None:
    version = in_review(cast.ning)
    (shown,) = pending()
    points.save_draft(by=cast.ning, point=version.point_id, content=a_content("打这个号码：12345。"))
    points.submit(by=cast.ning, version=version.pk)
    with pytest.raises(ContentChanged):
        points.approve(by=cast.yun, version=version.pk, digest=shown.digest)
    with pytest.raises(RequestClosed):
        actions.approve(by=cast.yun, uuid=shown.uuid, digest=shown.digest)
    assert Point.objects.get().published is None
    shown.refresh_from_db()
    assert shown.state == State.SUPERSEDED


def test_approve_without_the_digest_is_refused(cast: Cast) -> None:
    version = in_review(cast.ning)
    for digest in ("", "0" * 64):
        with pytest.raises(ContentChanged):
            points.approve(by=cast.yun, version=version.pk, digest=digest)


def test_a_colleague_who_adds_a_full_stop_does_not_free_the_first_author(cast: Cast) -> None:
    version = in_review(cast.yun)
    points.save_draft(by=cast.ning, point=version.point_id, content=a_content("请在手机银行里挂失。。"))
    points.submit(by=cast.ning, version=version.pk)
    for author in (cast.yun, cast.ning):
        with pytest.raises(OwnWork):
            approve_version(by=author, version=version.pk)
    approve_version(by=cast.an, version=version.pk)
    assert Point.objects.get().published == version


def test_an_author_of_a_discarded_draft_stays_an_author_until_the_publication(cast: Cast) -> None:
    version = a_draft(cast.yun)
    points.discard_draft(by=cast.ning, version=version.pk)
    again = in_review(cast.ning)
    with pytest.raises(OwnWork):
        approve_version(by=cast.yun, version=again.pk)
    approve_version(by=cast.an, version=again.pk)
    # What is written after the publication is somebody else's again.
    newer = points.save_draft(by=cast.ning, point=again.point_id, content=a_content("请打电话。"))
    points.submit(by=cast.ning, version=newer.pk)
    approve_version(by=cast.yun, version=newer.pk)


def test_the_author_of_phrasings_that_go_public_with_the_words_does_not_approve_them(cast: Cast) -> None:
    version = in_review(cast.ning, is_public=True)
    phrasings.set_phrasings(by=cast.yun, point=version.point_id, phrasings=["卡丢了", "卡没了"])
    (request,) = pending()
    assert request.after["phrasings"] == ["卡丢了", "卡没了"]
    with pytest.raises(OwnWork):
        approve_version(by=cast.yun, version=version.pk)
    approve_version(by=cast.an, version=version.pk)


def test_what_is_stored_changes_after_the_request_and_the_approval_is_refused(cast: Cast) -> None:
    point = published(cast)
    newer = points.save_draft(by=cast.ning, point=point.pk, content=a_content("请打电话。"))
    points.submit(by=cast.ning, version=newer.pk)
    points.withdraw(by=cast.an, point=point.pk, reason="停办")
    with pytest.raises(SubjectChanged):
        approve_version(by=cast.yun, version=newer.pk)
    # Sent again, it says what it takes the place of now: nothing.
    points.submit(by=cast.ning, version=newer.pk)
    assert pending()[0].before == {}
    approve_version(by=cast.yun, version=newer.pk)


def test_a_request_that_was_tampered_with_in_the_database_is_refused(cast: Cast) -> None:
    version = in_review(cast.ning)
    (request,) = pending()
    ApprovalRequest.objects.update(after=request.after | {"answer": "别的话"})
    with pytest.raises(ContentChanged):
        approve_version(by=cast.yun, version=version.pk)


def test_a_request_expires_and_the_words_become_a_draft_again(cast: Cast) -> None:
    version = in_review(cast.ning)
    ApprovalRequest.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(RequestExpired):
        approve_version(by=cast.yun, version=version.pk)
    assert selectors.approvable_count(cast.yun) == 0
    assert actions.expire_overdue in periodic.JOBS
    assert actions.expire_overdue() == 1
    assert actions.expire_overdue() == 0
    version.refresh_from_db()
    assert version.state == Version.State.DRAFT
    points.submit(by=cast.ning, version=version.pk)
    approve_version(by=cast.yun, version=version.pk)


def test_a_request_expires_after_the_days_of_the_setting(cast: Cast) -> None:
    with override_settings(APPROVAL_DAYS=3):
        in_review(cast.ning)
    (request,) = pending()
    assert request.expires_at - request.requested_at == timedelta(days=3)


def test_approving_twice_is_harmless_for_the_same_person_and_refused_for_another(cast: Cast) -> None:
    in_review(cast.ning)
    (request,) = pending()
    for _ in range(2):
        actions.approve(by=cast.yun, uuid=request.uuid, digest=request.digest)
    with pytest.raises(RequestClosed):
        actions.approve(by=cast.an, uuid=request.uuid, digest=request.digest)
    with pytest.raises(RequestClosed):
        actions.reject(by=cast.an, uuid=request.uuid, reason="zu spät")
    with pytest.raises(RequestClosed):
        actions.withdraw(by=cast.ning, uuid=request.uuid)
    assert AuditEntry.objects.filter(verb="approval.approved").count() == 1


def test_only_who_may_approves_rejects_or_withdraws(cast: Cast) -> None:
    in_review(cast.ning)
    (request,) = pending()
    for person in (cast.mei, cast.wen):
        with pytest.raises(PermissionDenied):
            actions.approve(by=person, uuid=request.uuid, digest=request.digest)
        with pytest.raises(PermissionDenied):
            actions.reject(by=person, uuid=request.uuid, reason="nein")
        with pytest.raises(RequestNotFound):
            selectors.request_for(person, request.uuid)
    with pytest.raises(PermissionDenied):
        actions.withdraw(by=cast.yun, uuid=request.uuid)
    with pytest.raises(ReasonMissing):
        actions.reject(by=cast.yun, uuid=request.uuid, reason=" \n ")


def test_a_colleague_cannot_ask_again_in_the_authors_place(cast: Cast) -> None:
    """The same words, withdrawn by their author and sent again by a colleague, are still the author's."""
    point = published(cast, is_public=True)
    phrasings.add_phrasings(by=cast.yun, point=point.pk, phrasings=["卡找不到"])
    (first,) = pending()
    actions.withdraw(by=cast.yun, uuid=first.uuid)
    phrasings.add_phrasings(by=cast.ning, point=point.pk, phrasings=["卡找不到"])
    (second,) = pending()
    with pytest.raises(OwnWork):
        actions.approve(by=cast.yun, uuid=second.uuid, digest=second.digest)


def test_every_step_of_a_request_is_in_the_audit_trail_with_its_digest(cast: Cast) -> None:
    version = in_review(cast.ning)
    (first,) = pending()
    actions.reject(by=cast.yun, uuid=first.uuid, reason="写上费用")
    points.save_draft(by=cast.ning, point=version.point_id, content=a_content("免费。"))
    points.submit(by=cast.ning, version=version.pk)
    (second,) = pending()
    actions.approve(by=cast.an, uuid=second.uuid, digest=second.digest)
    entries = AuditEntry.objects.filter(verb__startswith="approval.").order_by("pk")
    assert [(entry.verb, entry.actor, entry.detail["digest"]) for entry in entries] == [
        ("approval.requested", cast.ning, first.digest),
        ("approval.rejected", cast.yun, first.digest),
        ("approval.requested", cast.ning, second.digest),
        ("approval.approved", cast.an, second.digest),
    ]
    assert "免费" not in str(list(entries.values("detail")))


def test_the_database_allows_one_pending_request_per_subject_and_no_anonymous_decision(cast: Cast) -> None:
    in_review(cast.ning)
    (request,) = pending()
    copy = {
        "kind": request.kind, "subject": request.subject, "title": "x", "after": {}, "digest": "x",
        "requested_by": cast.ning, "expires_at": timezone.now(),
    }  # fmt: skip
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.create(**copy)
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.create(**copy | {"state": State.APPROVED})
    with pytest.raises(IntegrityError), transaction.atomic():
        ApprovalRequest.objects.filter(pk=request.pk).update(decided_by=cast.yun)


# -- The race of an editor and an approver ---------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_editor_and_approver_at_once_publish_what_was_shown_or_nothing() -> None:
    """Fifteen tries; before approvals were bound to a digest, seven published words that nobody had read."""
    cast = create_cast()
    for attempt in range(15):
        version = in_review(cast.ning, key=f"card-{attempt}")
        (shown,) = pending()
        together = threading.Barrier(2)

        def change(version: Version = version, together: threading.Barrier = together) -> None:
            try:
                together.wait(10)
                content = replace(a_content(), answer="没有人读过的话")
                points.save_draft(by=cast.ning, point=version.point_id, content=content)
                newest = Version.objects.get(point=version.point_id, state=Version.State.DRAFT)
                points.submit(by=cast.ning, version=newest.pk)
            finally:
                connection.close()

        def approve(
            version: Version = version,
            shown: ApprovalRequest = shown,
            together: threading.Barrier = together,
        ) -> bool:
            try:
                together.wait(10)
                points.approve(by=cast.yun, version=version.pk, digest=shown.digest)
            except Refusal:
                return False
            finally:
                connection.close()
            return True

        with ThreadPoolExecutor(2) as threads:
            changed, approved = threads.submit(change), threads.submit(approve)
            changed.result(30)
            was_approved = approved.result(30)
        said = Point.objects.select_related("published").get(pk=version.point_id).published
        assert (said is not None) is was_approved
        assert said is None or said.answer == "请在手机银行里挂失。"
        for request in pending():
            actions.withdraw(by=cast.ning, uuid=request.uuid)


# -- Files and phrasings ---------------------------------------------------------------------------------------------


@pytest.fixture
def media(tmp_path: Any) -> Any:
    with override_settings(MEDIA_ROOT=tmp_path):
        yield tmp_path


def test_a_file_waits_and_a_rejected_one_is_deleted(cast: Cast, media: Any) -> None:
    point = published(cast)
    file = files.attach_file(by=cast.ning, point=point.pk, upload=SimpleUploadedFile("表.pdf", PDF))
    (request,) = pending()
    assert request.after["name"] == "表.pdf"
    assert len(request.after["sha256"]) == 64
    for reader, status in ((cast.mei, 404), (cast.ning, 200), (cast.yun, 200)):
        answer = client_of(reader).get(f"/console/point-files/{file.pk}")
        assert answer.status_code == status, reader
        if answer.streaming:
            # Read to its end, which closes the file.
            assert answer.getvalue() == PDF
    assert "表.pdf" not in client_of(cast.mei).get("/console/points/card-lost/").content.decode()
    actions.reject(by=cast.yun, uuid=request.uuid, reason="旧版")
    assert not PointFile.objects.exists()


def test_a_file_whose_bytes_were_exchanged_is_refused(cast: Cast, media: Any) -> None:
    point = published(cast)
    file = files.attach_file(by=cast.ning, point=point.pk, upload=SimpleUploadedFile("表.pdf", PDF))
    with open(file.file.path, "wb") as stored:
        stored.write(b"%PDF-1.4 other")
    with pytest.raises(SubjectChanged):
        approve_pending(by=cast.yun)
    assert not PointFile.objects.get().is_approved


def test_removing_a_file_takes_effect_at_once_and_closes_its_request(cast: Cast, media: Any) -> None:
    point = published(cast)
    file = files.attach_file(by=cast.ning, point=point.pk, upload=SimpleUploadedFile("表.pdf", PDF))
    files.remove_file(by=cast.ning, file=file.pk)
    assert not PointFile.objects.exists()
    assert not pending()


def accepted(point: Point) -> list[str]:
    return sorted(point.phrasings.filter(state="accepted").values_list("text", flat=True))


def test_phrasings_of_a_public_point_wait_and_removals_do_not(cast: Cast) -> None:
    point = published(cast, is_public=True)
    phrasings.set_phrasings(by=cast.ning, point=point.pk, phrasings=["挂失", "丢卡"])
    assert accepted(point) == []
    (request,) = pending()
    assert request.after["phrasings"] == ["挂失", "丢卡"]
    with pytest.raises(OwnWork):
        approve_pending(by=cast.ning)
    approve_pending(by=cast.yun)
    assert accepted(point) == ["丢卡", "挂失"]


def test_phrasings_of_a_point_that_is_not_public_change_at_once(cast: Cast) -> None:
    point = published(cast)
    phrasings.set_phrasings(by=cast.ning, point=point.pk, phrasings=["挂失"])
    assert accepted(point) == ["挂失"]
    assert not pending()


@pytest.mark.usefixtures("one_day")
def test_phrasings_of_a_version_approved_for_a_day_to_come_wait(cast: Cast) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    version = in_review(cast.ning, is_public=True, valid_from=tomorrow)
    approve_version(by=cast.yun, version=version.pk)
    phrasings.add_phrasings(by=cast.ning, point=version.point_id, phrasings=["没人读过"])
    assert accepted(version.point) == ["卡丢了"]
    assert points.keep_validity(tomorrow) == 1
    assert accepted(version.point) == ["卡丢了"]


def test_a_suggestion_and_a_gap_bring_phrasings_that_wait(cast: Cast) -> None:
    point = published(cast, is_public=True)
    suggested = Phrasing.objects.create(point=point, text="卡被偷", state=Phrasing.State.SUGGESTED)
    phrasings.judge_phrasing(by=cast.ning, phrasing=suggested.pk, is_accepted=True)
    gap = UnansweredQuestion.objects.create(text="钱包没了", count=1)
    editing.answer_unanswered(by=cast.an, gap=gap.pk, point=point, with_questions=True)
    (request,) = pending()
    assert request.after["phrasings"] == ["卡被偷", "钱包没了"]
    assert set(request.authors.all()) == {cast.ning, cast.an}
    assert accepted(point) == ["卡丢了"]
    actions.reject(by=cast.yun, uuid=request.uuid, reason="太泛")
    assert set(point.phrasings.filter(state="declined").values_list("text", flat=True)) == {
        "卡被偷",
        "钱包没了",
    }


def test_phrasings_that_nobody_approves_in_time_are_suggested_again(cast: Cast) -> None:
    point = published(cast, is_public=True)
    phrasings.add_phrasings(by=cast.ning, point=point.pk, phrasings=["卡找不到"])
    ApprovalRequest.objects.update(expires_at=timezone.now())
    actions.expire_overdue()
    assert point.phrasings.get(text="卡找不到").state == Phrasing.State.SUGGESTED


def test_an_import_sends_words_and_public_phrasings_for_approval(cast: Cast) -> None:
    point = published(cast, is_public=True)
    given = [
        imports.PointToImport(
            "card-lost", "zh", a_content("请打电话。", is_public=True), ["卡丢了", "卡没了"]
        ),
        imports.PointToImport(
            "card-new", "zh", replace(a_content(is_public=True), title="怎么办卡？"), ["办卡"]
        ),
    ]
    imports.import_points(by=cast.ning, given=given)
    found = {(request.kind, request.subject): request for request in pending()}
    assert set(found) == {
        ("knowledge.version", "card-lost"),
        ("knowledge.version", "card-new"),
        ("knowledge.phrasings", "card-lost"),
    }
    assert found["knowledge.phrasings", "card-lost"].after["phrasings"] == ["卡没了"]
    assert found["knowledge.version", "card-new"].after["phrasings"] == ["办卡"]
    assert accepted(point) == ["卡丢了"]
    with pytest.raises(OwnWork):
        approve_pending(by=cast.ning)
    assert approve_pending(by=cast.yun) == 3
    assert accepted(point) == ["卡丢了", "卡没了"]
    assert Point.objects.filter(published__isnull=False).count() == 2


def test_an_import_over_a_colleagues_draft_keeps_the_colleague_an_author(cast: Cast) -> None:
    a_draft(cast.yun)
    imports.import_points(by=cast.ning, given=[imports.PointToImport("card-lost", "zh", a_content("免费。"))])
    with pytest.raises(OwnWork):
        approve_pending(by=cast.yun)
    assert approve_pending(by=cast.an) == 1


# -- Pages -----------------------------------------------------------------------------------------------------------


def test_the_navigation_says_how_many_wait_for_the_reader(cast: Cast) -> None:
    in_review(cast.ning)
    link = 'id="to-approvals"'
    assert '<b class="count">1' in client_of(cast.yun).get("/console/approvals/").content.decode()
    mine = client_of(cast.ning).get("/console/approvals/").content.decode()
    assert link in mine
    assert '<b class="count">' not in mine
    assert "Written by you, waiting for others" in mine
    assert link not in client_of(cast.mei).get("/console/replies/").content.decode()


def test_the_page_of_a_request_shows_every_field_and_posts_the_digest(cast: Cast) -> None:
    point = published(cast)
    newer = points.save_draft(
        by=cast.ning, point=point.pk, content=a_content("请打 95000。", note="先核实", is_public=True)
    )
    points.submit(by=cast.ning, version=newer.pk)
    (request,) = pending()
    client, address = client_of(cast.yun), f"/console/approvals/{request.uuid}/"
    shown = client.get(address).content.decode()
    for words in ("Answer", "95000", "Note", "先核实", "Public", "Phrasings", "卡丢了", str(cast.ning)):
        assert words in shown, words
    assert f'name="digest" value="{request.digest}"' in shown
    refused = client.post(f"{address}approve", {"digest": "0" * 64})
    assert refused.status_code == 409
    assert "no longer what you were shown" in refused.content.decode()
    assert client.post(f"{address}approve", {"digest": request.digest}).status_code == 302
    assert "approved" in client.get(address).content.decode()


def test_a_rejection_without_a_reason_and_a_withdrawal(cast: Cast) -> None:
    version = in_review(cast.ning)
    (request,) = pending()
    address = f"/console/approvals/{request.uuid}/"
    refused = client_of(cast.yun).post(f"{address}reject", {"reason": ""})
    assert refused.status_code == 422
    assert "Say why" in refused.content.decode()
    assert client_of(cast.ning).post(f"{address}withdraw").status_code == 302
    version.refresh_from_db()
    assert version.state == Version.State.DRAFT


def test_several_at_once_show_everything_and_only_what_still_matches_goes_through(cast: Cast) -> None:
    kept, changed = in_review(cast.ning, key="kept"), in_review(cast.ning, key="changed")
    mine = in_review(cast.yun, key="mine")
    requests = pending()
    client = client_of(cast.yun)
    shown = client.get("/console/approvals/review", {"id": [str(each.uuid) for each in requests]})
    page = shown.content.decode()
    assert page.count("请在手机银行里挂失。") == 3
    pairs = [f"{each.uuid}:{each.digest}" for each in requests]
    assert [pair in page for pair in pairs] == [True, True, False]
    points.save_draft(by=cast.ning, point=changed.point_id, content=a_content("没人读过"))
    points.submit(by=cast.ning, version=changed.pk)
    answer = client.post("/console/approvals/approve", {"request": [*pairs, "no such:thing"]})
    outcomes = answer.content.decode()
    assert "1 approved" in outcomes
    for words in ("decided, withdrawn or replaced", "A second person has to", "does not exist"):
        assert words in outcomes, words
    states = Version.objects.in_bulk([kept.pk, changed.pk, mine.pk])
    assert [states[each.pk].state for each in (kept, changed, mine)] == ["published", "review", "review"]


def test_the_lists_make_as_many_queries_for_many_requests_as_for_few(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        in_review(cast.ning, key=f"card-{number}")
    client = client_of(cast.yun)
    with django_assert_max_num_queries(12):
        client.get("/console/approvals/")
    with django_assert_max_num_queries(45):
        client.get("/console/approvals/review", {"id": [str(each.uuid) for each in pending()]})


def test_the_points_page_offers_approval_only_for_the_words_that_it_shows(cast: Cast) -> None:
    version = in_review(cast.ning)
    (request,) = pending()
    client = client_of(cast.yun)
    assert request.digest in client.get("/console/points/card-lost/?version=1").content.decode()
    Version.objects.filter(pk=version.pk).update(answer="别的话")
    shown = client.get("/console/points/card-lost/?version=1").content.decode()
    assert request.digest not in shown
    assert "Send it for review again" in shown
