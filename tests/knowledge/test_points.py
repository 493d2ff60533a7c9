"""Tests of the life cycle of a knowledge point: drafted, approved by a second person, published, replaced,
withdrawn."""

from __future__ import annotations

from datetime import date, timedelta
from typing import Any
from uuid import uuid4

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.utils import timezone

from accounts.models import AuditEntry, Staff
from chat.actions.canned_replies import make_answer, save_reply
from chat.actions.posts import post_batch
from chat.canned_replies import usable_by
from chat.models import CannedReply, Message
from knowledge import selectors
from knowledge.actions import phrasings, point_use, points
from knowledge.actions.branches import category_at
from knowledge.actions.imports import ImportRefused, PointToImport, import_points
from knowledge.content import Content
from knowledge.errors import DraftChanged, KeyTaken, NotInState, OutOfDate, OwnWork, PointIncomplete
from knowledge.models import Edition, Phrasing, Point, UnansweredQuestion, Version
from tests.conftest import Announced
from tests.harness.approvals import approve_version
from tests.people import Cast, say, start, start_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

State = Version.State


def content_with(answer: str = "请在手机银行里挂失。", **other: Any) -> Content:
    return Content(title="卡丢了怎么挂失？", answer=answer, category=category_at("银行卡/挂失"), **other)


@pytest.fixture
def editor(cast: Cast) -> Staff:
    return cast.ning


def publish_point(editor: Staff, cast: Cast, key: str = "card-lost", **other: Any) -> Point:
    """Create and return a published point, written by `editor` and approved by the supervisor."""
    version = points.create_point(
        by=editor,
        key=key,
        language="zh",
        owner=editor,
        content=content_with(**other),
        phrasings=["卡丢了", "挂失"],
    )
    points.submit(by=editor, version=version.pk)
    approve_version(by=cast.yun, version=version.pk)
    return Point.objects.select_related("published").get(pk=version.point_id)


def test_point_is_published_only_after_approval_by_a_second_person(cast: Cast, editor: Staff) -> None:
    version = points.create_point(
        by=editor, key="card-lost", language="zh", owner=editor, content=content_with(), phrasings=["卡丢了"]
    )
    with pytest.raises(NotInState):
        approve_version(by=cast.yun, version=version.pk)
    points.submit(by=editor, version=version.pk)
    points.submit(by=editor, version=version.pk)
    with pytest.raises(OwnWork):
        approve_version(by=editor, version=version.pk)
    assert Point.objects.get().published is None
    approve_version(by=cast.yun, version=version.pk)
    approve_version(by=cast.yun, version=version.pk)
    point = Point.objects.get()
    assert point.published == version
    assert point.edition == Edition.objects.get().number
    assert AuditEntry.objects.filter(verb="point.approved").count() == 1


def test_database_refuses_a_version_approved_by_its_author(cast: Cast, editor: Staff) -> None:
    version = points.create_point(
        by=editor, key="card-lost", language="zh", owner=None, content=content_with(), phrasings=[]
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(state=State.PUBLISHED, reviewer=editor)


def test_create_point_refuses_agents(cast: Cast) -> None:
    with pytest.raises(PermissionDenied):
        points.create_point(
            by=cast.mei, key="card-lost", language="zh", owner=None, content=content_with(), phrasings=[]
        )


def test_create_point_refuses_a_key_that_is_taken(cast: Cast, editor: Staff) -> None:
    publish_point(editor, cast)
    with pytest.raises(KeyTaken):
        points.create_point(
            by=editor, key="card-lost", language="zh", owner=None, content=content_with(), phrasings=[]
        )


def test_content_checked_reports_every_wrong_field() -> None:
    content = Content(title="", answer="", category=None, links=[["网点", "javascript:alert(1)"]])
    with pytest.raises(PointIncomplete) as refusal:
        content.checked()
    assert set(refusal.value.problems) == {"title", "answer", "category", "links"}


def test_new_version_waits_while_the_old_one_stays_published(
    cast: Cast, editor: Staff, announced: Announced
) -> None:
    point = publish_point(editor, cast)
    assert announced.kinds() == ["KnowledgeChanged"]
    draft = points.save_draft(by=editor, point=point.pk, content=content_with("请到网点挂失。"))
    assert (draft.number, draft.state) == (2, State.DRAFT)
    assert Point.objects.get().published.answer == "请在手机银行里挂失。"  # type: ignore[union-attr]
    points.submit(by=editor, version=draft.pk)
    assert announced.kinds() == []
    approve_version(by=cast.yun, version=draft.pk)
    assert announced.kinds() == ["KnowledgeChanged"]
    assert Point.objects.get().published == draft
    assert Version.objects.get(number=1).state == State.REPLACED


def test_save_draft_refuses_a_draft_that_another_editor_has_changed(cast: Cast, editor: Staff) -> None:
    point = publish_point(editor, cast)
    first = points.save_draft(by=editor, point=point.pk, content=content_with("一"))
    points.save_draft(by=cast.yun, point=point.pk, content=content_with("二"), seen=first.written_at)
    with pytest.raises(DraftChanged):
        points.save_draft(by=editor, point=point.pk, content=content_with("三"), seen=first.written_at)


@pytest.mark.usefixtures("one_day")
def test_save_draft_after_approval_makes_the_version_a_draft_again(cast: Cast, editor: Staff) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    point = publish_point(editor, cast)
    draft = points.save_draft(by=editor, point=point.pk, content=content_with("明天起", valid_from=tomorrow))
    points.submit(by=editor, version=draft.pk)
    approve_version(by=cast.yun, version=draft.pk)
    draft.refresh_from_db()
    assert draft.state == State.APPROVED
    points.save_draft(by=cast.yun, point=point.pk, content=content_with("又改了", valid_from=tomorrow))
    draft.refresh_from_db()
    assert (draft.state, draft.reviewer, draft.author) == (State.DRAFT, None, cast.yun)


@pytest.mark.usefixtures("one_day")
def test_keep_validity_publishes_an_approved_version_on_its_first_day(cast: Cast, editor: Staff) -> None:
    today = timezone.localdate()
    point = publish_point(editor, cast)
    draft = points.save_draft(
        by=editor, point=point.pk, content=content_with("新利率", valid_from=today + timedelta(days=3))
    )
    points.submit(by=editor, version=draft.pk)
    approve_version(by=cast.yun, version=draft.pk)
    assert points.keep_validity(today) == 0
    assert points.keep_validity(today + timedelta(days=3)) == 1
    assert points.keep_validity(today + timedelta(days=3)) == 0
    assert Point.objects.get().published == draft


@pytest.mark.usefixtures("one_day")
def test_keep_validity_withdraws_an_expired_point_and_its_canned_replies(cast: Cast, editor: Staff) -> None:
    today = timezone.localdate()
    point = publish_point(editor, cast, valid_until=today)
    assert point.published is not None
    reply = CannedReply(
        owner=cast.mei,
        shortcut="lost",
        title="挂失",
        body=point.published.answer,
        source=point.published.source,
    )
    save_reply(staff=cast.mei, reply=reply)
    assert [version.point for version in selectors.expiring(editor)] == [point]
    assert points.keep_validity(today) == 0
    assert reply in usable_by(cast.mei)
    assert points.keep_validity(today + timedelta(days=1)) == 1
    assert reply not in usable_by(cast.mei)
    assert Point.objects.get().published is None
    assert Version.objects.get().state == State.WITHDRAWN


def test_withdraw_twice_is_recorded_once(cast: Cast, editor: Staff) -> None:
    point = publish_point(editor, cast)
    points.withdraw(by=cast.yun, point=point.pk, reason="费率变了")
    points.withdraw(by=cast.yun, point=point.pk, reason="费率变了")
    assert AuditEntry.objects.filter(verb="point.withdrawn").count() == 1
    assert list(selectors.in_state(Point.objects.all(), State.WITHDRAWN)) == [point]


def test_set_phrasings_takes_effect_at_once_and_learned_phrasings_wait(cast: Cast, editor: Staff) -> None:
    point = publish_point(editor, cast)
    edition = Edition.objects.get().number
    phrasings.set_phrasings(by=editor, point=point.pk, phrasings=["卡丢了", " 卡丢了 ", "丢卡\n了", ""])
    assert [phrasing.text for phrasing in point.phrasings.all()] == ["卡丢了", "丢卡 了"]
    assert Edition.objects.get().number == edition + 1
    conversation = start_with(cast, cast.mei)
    assert point.published is not None
    for seq in (2, 2, 4):
        point_use.record_use(
            by=cast.mei,
            version=point.published,
            conversation=conversation,
            seq=seq,
            question="我的卡不见了呀",
            is_edited=False,
        )
    suggested = selectors.suggested_phrasings().get()
    assert (suggested.text, suggested.count) == ("我的卡不见了呀", 2)
    assert Point.objects.get().uses == 2
    phrasings.review_phrasing(by=editor, phrasing=suggested.pk, is_accepted=True)
    phrasings.review_phrasing(by=editor, phrasing=suggested.pk, is_accepted=True)
    assert Phrasing.objects.get(text="我的卡不见了呀").state == Phrasing.State.ACCEPTED
    assert Point.objects.get().edition == Edition.objects.get().number == edition + 2


def test_message_keeps_its_source_and_a_replaced_version_still_has_its_recipients(
    cast: Cast, editor: Staff
) -> None:
    point = publish_point(editor, cast)
    assert point.published is not None
    conversation = start_with(cast, cast.mei)
    say(conversation, "卡丢了")
    source = point.published.source
    assert point_use.require_current(source) == point.published
    post = make_answer(
        staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), body=point.published.answer, source=source
    )
    post_batch([post])
    draft = points.save_draft(by=editor, point=point.pk, content=content_with("利率变了。"))
    points.submit(by=editor, version=draft.pk)
    approve_version(by=cast.yun, version=draft.pk)
    with pytest.raises(OutOfDate):
        point_use.require_current(source)
    assert Message.objects.get(source=source).conversation == conversation
    assert selectors.recipient_counts(point) == {1: 1}
    assert point_use.require_current("") is None
    assert Message.objects.exclude(source="").count() == 1


def test_record_unanswered_groups_similar_questions_until_they_are_settled(cast: Cast, editor: Staff) -> None:
    conversation = start(cast)
    say(conversation, "能用贝壳付款吗")
    say(conversation, "贝壳可以付款不")
    first, second = conversation.messages.filter(author_role="visitor").order_by("seq")
    point_use.record_unanswered(message=first, language="zh", like=None)
    question = UnansweredQuestion.objects.get()
    point_use.record_unanswered(message=second, language="zh", like=question.pk)
    point_use.record_unanswered(message=second, language="zh", like=question.pk)
    question.refresh_from_db()
    assert (question.text, question.count) == ("能用贝壳付款吗", 2)
    point_use.settle_unanswered(by=editor, gap=question.pk, point=None)
    third = say(conversation, "贝壳")
    point_use.record_unanswered(
        message=conversation.messages.get(seq=third.seq), language="zh", like=question.pk
    )
    assert UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN).get() != question


def test_import_by_a_person_waits_for_approval_and_by_a_command_is_published(
    cast: Cast, editor: Staff
) -> None:
    given = [PointToImport(f"point-{n}", "zh", content_with(f"答案{n}"), [f"问法{n}"]) for n in range(3)]
    result = import_points(by=editor, given=given)
    assert (result.new, result.changed, result.unchanged) == (3, 0, 0)
    assert set(Version.objects.values_list("state", flat=True)) == {State.REVIEW}
    assert import_points(by=editor, given=given).unchanged == 3
    import_points(
        by=None, given=[PointToImport("point-0", "zh", content_with("新答案"), ["问法0", "另一个"])]
    )
    point = Point.objects.get(key="point-0")
    assert point.published is not None
    assert (point.published.answer, point.published.number) == ("新答案", 1)
    assert [phrasing.text for phrasing in point.phrasings.all()] == ["问法0", "另一个"]
    import_points(by=None, given=[PointToImport("point-0", "zh", content_with("更新的答案"))])
    assert list(point.versions.order_by("number").values_list("number", "state")) == [
        (1, State.REPLACED),
        (2, State.PUBLISHED),
    ]
    assert point.phrasings.count() == 2


def test_import_with_a_wrong_row_stores_nothing_and_names_the_row(cast: Cast, editor: Staff) -> None:
    given = [
        PointToImport("good", "zh", content_with()),
        PointToImport("bad", "zh", content_with("")),
        PointToImport("fine", "zh", content_with()),
    ]
    with pytest.raises(ImportRefused) as refusal:
        import_points(by=editor, given=given)
    assert {number: set(problems) for number, problems in refusal.value.rows.items()} == {1: {"answer"}}
    assert not Point.objects.exists()


def test_content_checked_refuses_a_last_day_before_the_first() -> None:
    with pytest.raises(PointIncomplete) as refusal:
        content_with(valid_from=date(2026, 2, 2), valid_until=date(2026, 1, 1)).checked()
    assert "valid_until" in refusal.value.problems
