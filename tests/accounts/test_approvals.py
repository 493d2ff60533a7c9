"""Tests of approval requests.

A request can be approved only once, only before it expires, only with exactly the content that the approver was shown,
and never by its authors.
"""

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


# -- Approving -----------------------------------------------------------------------------------------------------


def test_approve_with_digest_of_content_changed_since_is_refused(cast: Cast) -> None:
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


def test_approve_without_the_right_digest_is_refused(cast: Cast) -> None:
    version = in_review(cast.ning)
    for digest in ("", "0" * 64):
        with pytest.raises(ContentChanged):
            points.approve(by=cast.yun, version=version.pk, digest=digest)


def test_small_edit_by_a_colleague_does_not_let_the_first_author_approve(cast: Cast) -> None:
    version = in_review(cast.yun)
    points.save_draft(by=cast.ning, point=version.point_id, content=a_content("请在手机银行里挂失。。"))
    points.submit(by=cast.ning, version=version.pk)
    for author in (cast.yun, cast.ning):
        with pytest.raises(OwnWork):
            approve_version(by=author, version=version.pk)
    approve_version(by=cast.an, version=version.pk)
    assert Point.objects.get().published == version


def test_author_of_a_discarded_draft_may_not_approve_until_publication(cast: Cast) -> None:
    version = a_draft(cast.yun)
    points.discard_draft(by=cast.ning, version=version.pk)
    again = in_review(cast.ning)
    with pytest.raises(OwnWork):
        approve_version(by=cast.yun, version=again.pk)
    approve_version(by=cast.an, version=again.pk)
    # Publication clears the list of authors. The next approval is then refused only to the authors of later changes.
    newer = points.save_draft(by=cast.ning, point=again.point_id, content=a_content("请打电话。"))
    points.submit(by=cast.ning, version=newer.pk)
    approve_version(by=cast.yun, version=newer.pk)


def test_author_of_phrasings_published_with_a_version_may_not_approve_it(cast: Cast) -> None:
    version = in_review(cast.ning, is_public=True)
    phrasings.set_phrasings(by=cast.yun, point=version.point_id, phrasings=["卡丢了", "卡没了"])
    (request,) = pending()
    assert request.after["phrasings"] == ["卡丢了", "卡没了"]
    with pytest.raises(OwnWork):
        approve_version(by=cast.yun, version=version.pk)
    approve_version(by=cast.an, version=version.pk)


def test_approval_is_refused_when_the_stored_content_changed_after_the_request(cast: Cast) -> None:
    point = published(cast)
    newer = points.save_draft(by=cast.ning, point=point.pk, content=a_content("请打电话。"))
    points.submit(by=cast.ning, version=newer.pk)
    points.withdraw(by=cast.an, point=point.pk, reason="停办")
    with pytest.raises(SubjectChanged):
        approve_version(by=cast.yun, version=newer.pk)
    # No version is published now, so there is no earlier content for the new request to show.
    points.submit(by=cast.ning, version=newer.pk)
    assert pending()[0].before == {}
    approve_version(by=cast.yun, version=newer.pk)


def test_request_changed_in_the_database_is_refused(cast: Cast) -> None:
    version = in_review(cast.ning)
    (request,) = pending()
    ApprovalRequest.objects.update(after=request.after | {"answer": "别的话"})
    with pytest.raises(ContentChanged):
        approve_version(by=cast.yun, version=version.pk)


def test_expired_request_makes_its_version_a_draft_again(cast: Cast) -> None:
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


def test_request_expires_after_approval_days(cast: Cast) -> None:
    with override_settings(APPROVAL_DAYS=3):
        in_review(cast.ning)
    (request,) = pending()
    assert request.expires_at - request.requested_at == timedelta(days=3)


def test_approving_twice_is_harmless_for_the_same_person_and_refused_for_others(cast: Cast) -> None:
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


def test_approve_reject_and_withdraw_need_the_right(cast: Cast) -> None:
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


def test_author_may_not_approve_when_a_colleague_requests_the_same_content_again(cast: Cast) -> None:
    """Check that somebody who withdrew a request still counts as an author of the same content.

    That person is not allowed to approve the content when a colleague requests it again.
    """
    point = published(cast, is_public=True)
    phrasings.add_phrasings(by=cast.yun, point=point.pk, phrasings=["卡找不到"])
    (first,) = pending()
    actions.withdraw(by=cast.yun, uuid=first.uuid)
    phrasings.add_phrasings(by=cast.ning, point=point.pk, phrasings=["卡找不到"])
    (second,) = pending()
    with pytest.raises(OwnWork):
        actions.approve(by=cast.yun, uuid=second.uuid, digest=second.digest)


def test_every_step_of_a_request_is_audited_with_its_digest(cast: Cast) -> None:
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


# -- Race between an editor and an approver --------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_concurrent_edit_and_approval_publish_what_was_shown_or_nothing() -> None:
    """Run an edit and an approval at the same time, 15 times.

    If an approval did not name the digest of its content, 7 of 15 runs would publish content that nobody has read.
    """
    cast = create_cast()
    for attempt in range(15):
        version = in_review(cast.ning, key=f"card-{attempt}")
        (shown,) = pending()
        barrier = threading.Barrier(2)

        def change(version: Version = version, barrier: threading.Barrier = barrier) -> None:
            try:
                barrier.wait(10)
                content = replace(a_content(), answer="没有人读过的话")
                points.save_draft(by=cast.ning, point=version.point_id, content=content)
                newest = Version.objects.get(point=version.point_id, state=Version.State.DRAFT)
                points.submit(by=cast.ning, version=newest.pk)
            finally:
                connection.close()

        def approve(
            version: Version = version,
            shown: ApprovalRequest = shown,
            barrier: threading.Barrier = barrier,
        ) -> bool:
            try:
                barrier.wait(10)
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
        published = Point.objects.select_related("published").get(pk=version.point_id).published
        assert (published is not None) is was_approved
        assert published is None or published.answer == "请在手机银行里挂失。"
        for request in pending():
            actions.withdraw(by=cast.ning, uuid=request.uuid)


# -- Files and phrasings ---------------------------------------------------------------------------------------------


@pytest.fixture
def media(tmp_path: Any) -> Any:
    with override_settings(MEDIA_ROOT=tmp_path):
        yield tmp_path


def test_file_waits_for_approval_and_is_deleted_when_rejected(cast: Cast, media: Any) -> None:
    point = published(cast)
    file = files.attach_file(by=cast.ning, point=point.pk, upload=SimpleUploadedFile("表.pdf", PDF))
    (request,) = pending()
    assert request.after["name"] == "表.pdf"
    assert len(request.after["sha256"]) == 64
    for reader, status in ((cast.mei, 404), (cast.ning, 200), (cast.yun, 200)):
        answer = client_of(reader).get(f"/console/point-files/{file.pk}")
        assert answer.status_code == status, reader
        if answer.streaming:
            # Reading the response to its end also closes the file.
            assert answer.getvalue() == PDF
    assert "表.pdf" not in client_of(cast.mei).get("/console/points/card-lost/").content.decode()
    actions.reject(by=cast.yun, uuid=request.uuid, reason="旧版")
    assert not PointFile.objects.exists()


def test_file_with_replaced_bytes_is_refused(cast: Cast, media: Any) -> None:
    point = published(cast)
    file = files.attach_file(by=cast.ning, point=point.pk, upload=SimpleUploadedFile("表.pdf", PDF))
    with open(file.file.path, "wb") as stored:
        stored.write(b"%PDF-1.4 other")
    with pytest.raises(SubjectChanged):
        approve_pending(by=cast.yun)
    assert not PointFile.objects.get().is_approved


def test_removing_a_file_takes_effect_immediately_and_closes_its_request(cast: Cast, media: Any) -> None:
    point = published(cast)
    file = files.attach_file(by=cast.ning, point=point.pk, upload=SimpleUploadedFile("表.pdf", PDF))
    files.remove_file(by=cast.ning, file=file.pk)
    assert not PointFile.objects.exists()
    assert not pending()


def accepted(point: Point) -> list[str]:
    return sorted(point.phrasings.filter(state="accepted").values_list("text", flat=True))


def test_phrasings_of_a_public_point_wait_for_approval_but_removals_do_not(cast: Cast) -> None:
    point = published(cast, is_public=True)
    phrasings.set_phrasings(by=cast.ning, point=point.pk, phrasings=["挂失", "丢卡"])
    assert accepted(point) == []
    (request,) = pending()
    assert request.after["phrasings"] == ["挂失", "丢卡"]
    with pytest.raises(OwnWork):
        approve_pending(by=cast.ning)
    approve_pending(by=cast.yun)
    assert accepted(point) == ["丢卡", "挂失"]


def test_phrasings_of_an_internal_point_change_immediately(cast: Cast) -> None:
    point = published(cast)
    phrasings.set_phrasings(by=cast.ning, point=point.pk, phrasings=["挂失"])
    assert accepted(point) == ["挂失"]
    assert not pending()


def test_waiting_phrasing_of_a_withdrawn_point_is_accepted_when_an_editor_keeps_it(cast: Cast) -> None:
    point = published(cast, is_public=True)
    phrasings.add_phrasings(by=cast.ning, point=point.pk, phrasings=["卡找不到"])
    points.withdraw(by=cast.yun, point=point.pk, reason="费率变了")
    phrasings.set_phrasings(by=cast.ning, point=point.pk, phrasings=["卡找不到"])
    assert accepted(point) == ["卡找不到"]
    assert not pending()


@pytest.mark.usefixtures("one_day")
def test_phrasings_of_a_version_approved_for_a_future_day_wait(cast: Cast) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    version = in_review(cast.ning, is_public=True, valid_from=tomorrow)
    approve_version(by=cast.yun, version=version.pk)
    phrasings.add_phrasings(by=cast.ning, point=version.point_id, phrasings=["没人读过"])
    assert accepted(version.point) == ["卡丢了"]
    assert points.keep_validity(tomorrow) == 1
    assert accepted(version.point) == ["卡丢了"]


def test_phrasings_from_suggestions_and_unanswered_questions_wait(cast: Cast) -> None:
    point = published(cast, is_public=True)
    suggested = Phrasing.objects.create(point=point, text="卡被偷", state=Phrasing.State.SUGGESTED)
    phrasings.review_phrasing(by=cast.ning, phrasing=suggested.pk, is_accepted=True)
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


def test_phrasings_of_an_expired_request_are_suggested_again(cast: Cast) -> None:
    point = published(cast, is_public=True)
    phrasings.add_phrasings(by=cast.ning, point=point.pk, phrasings=["卡找不到"])
    ApprovalRequest.objects.update(expires_at=timezone.now())
    actions.expire_overdue()
    assert point.phrasings.get(text="卡找不到").state == Phrasing.State.SUGGESTED


def test_import_requests_approval_of_versions_and_public_phrasings(cast: Cast) -> None:
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
    requests = {(request.kind, request.subject): request for request in pending()}
    assert set(requests) == {
        ("knowledge.version", "card-lost"),
        ("knowledge.version", "card-new"),
        ("knowledge.phrasings", "card-lost"),
    }
    assert requests["knowledge.phrasings", "card-lost"].after["phrasings"] == ["卡没了"]
    assert requests["knowledge.version", "card-new"].after["phrasings"] == ["办卡"]
    assert accepted(point) == ["卡丢了"]
    with pytest.raises(OwnWork):
        approve_pending(by=cast.ning)
    assert approve_pending(by=cast.yun) == 3
    assert accepted(point) == ["卡丢了", "卡没了"]
    assert Point.objects.filter(published__isnull=False).count() == 2


def test_import_over_a_colleagues_draft_keeps_the_colleague_as_author(cast: Cast) -> None:
    a_draft(cast.yun)
    imports.import_points(by=cast.ning, given=[imports.PointToImport("card-lost", "zh", a_content("免费。"))])
    with pytest.raises(OwnWork):
        approve_pending(by=cast.yun)
    assert approve_pending(by=cast.an) == 1


# -- Pages -----------------------------------------------------------------------------------------------------------


def test_navigation_shows_how_many_requests_wait_for_the_reader(cast: Cast) -> None:
    in_review(cast.ning)
    link = 'id="to-approvals"'
    assert '<b class="count">1' in client_of(cast.yun).get("/console/approvals/").content.decode()
    mine = client_of(cast.ning).get("/console/approvals/").content.decode()
    assert link in mine
    assert '<b class="count">' not in mine
    assert "Your requests that are waiting for others" in mine
    assert link not in client_of(cast.mei).get("/console/replies/").content.decode()


def test_request_page_shows_every_field_and_posts_the_digest(cast: Cast) -> None:
    point = published(cast)
    newer = points.save_draft(
        by=cast.ning, point=point.pk, content=a_content("请打 95000。", note="先核实", is_public=True)
    )
    points.submit(by=cast.ning, version=newer.pk)
    (request,) = pending()
    client, address = client_of(cast.yun), f"/console/approvals/{request.uuid}/"
    shown = client.get(address).content.decode()
    for text in ("Answer", "95000", "Note", "先核实", "Public", "Phrasings", "卡丢了", str(cast.ning)):
        assert text in shown, text
    assert f'name="digest" value="{request.digest}"' in shown
    refused = client.post(f"{address}approve", {"digest": "0" * 64})
    assert refused.status_code == 409
    assert "content has changed since you opened it" in refused.content.decode()
    assert client.post(f"{address}approve", {"digest": request.digest}).status_code == 302
    assert "approved" in client.get(address).content.decode()


def test_rejection_needs_a_reason_and_withdrawal_restores_the_draft(cast: Cast) -> None:
    version = in_review(cast.ning)
    (request,) = pending()
    address = f"/console/approvals/{request.uuid}/"
    refused = client_of(cast.yun).post(f"{address}reject", {"reason": ""})
    assert refused.status_code == 422
    assert "Give a reason" in refused.content.decode()
    assert client_of(cast.ning).post(f"{address}withdraw").status_code == 302
    version.refresh_from_db()
    assert version.state == Version.State.DRAFT


def test_review_page_shows_all_requests_and_approves_only_unchanged_ones(cast: Cast) -> None:
    kept, changed = in_review(cast.ning, key="kept"), in_review(cast.ning, key="changed")
    mine = in_review(cast.yun, key="mine")
    requests = pending()
    client = client_of(cast.yun)
    shown = client.get("/console/approvals/review", {"id": [str(request.uuid) for request in requests]})
    page = shown.content.decode()
    assert page.count("请在手机银行里挂失。") == 3
    pairs = [f"{request.uuid}:{request.digest}" for request in requests]
    assert [pair in page for pair in pairs] == [True, True, False]
    points.save_draft(by=cast.ning, point=changed.point_id, content=a_content("没人读过"))
    points.submit(by=cast.ning, version=changed.pk)
    answer = client.post("/console/approvals/approve", {"request": [*pairs, "no such:thing"]})
    outcomes = answer.content.decode()
    assert "1 approved" in outcomes
    for text in ("decided, withdrawn or replaced", "Someone other than the author", "does not exist"):
        assert text in outcomes, text
    states = Version.objects.in_bulk([kept.pk, changed.pk, mine.pk])
    assert [states[version.pk].state for version in (kept, changed, mine)] == [
        "published",
        "review",
        "review",
    ]


def test_request_lists_need_a_constant_number_of_queries(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    for number in range(12):
        in_review(cast.ning, key=f"card-{number}")
    client = client_of(cast.yun)
    with django_assert_max_num_queries(12):
        client.get("/console/approvals/")
    with django_assert_max_num_queries(45):
        client.get("/console/approvals/review", {"id": [str(request.uuid) for request in pending()]})


def test_point_page_offers_approval_only_of_the_content_it_shows(cast: Cast) -> None:
    version = in_review(cast.ning)
    (request,) = pending()
    client = client_of(cast.yun)
    assert request.digest in client.get("/console/points/card-lost/?version=1").content.decode()
    Version.objects.filter(pk=version.pk).update(answer="别的话")
    shown = client.get("/console/points/card-lost/?version=1").content.decode()
    assert request.digest not in shown
    assert "Send the draft for review again" in shown
