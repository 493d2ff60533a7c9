"""The life of a knowledge point: draft, review by a second person, published, replaced, expired, withdrawn."""

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
from knowledge.actions import phrasings, points, use
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


def a_content(answer: str = "请在手机银行里挂失。", **other: Any) -> Content:
    return Content(title="卡丢了怎么挂失？", answer=answer, category=category_at("银行卡/挂失"), **other)


@pytest.fixture
def editor(cast: Cast) -> Staff:
    return cast.ning


def a_point(editor: Staff, cast: Cast, key: str = "card-lost", **other: Any) -> Point:
    """Written by the editor, approved by the supervisor."""
    version = points.create_point(
        by=editor,
        key=key,
        language="zh",
        owner=editor,
        content=a_content(**other),
        phrasings=["卡丢了", "挂失"],
    )
    points.submit(by=editor, version=version.pk)
    approve_version(by=cast.yun, version=version.pk)
    return Point.objects.select_related("published").get(pk=version.point_id)


def test_a_point_is_said_only_when_a_second_person_has_approved_it(cast: Cast, editor: Staff) -> None:
    version = points.create_point(
        by=editor, key="card-lost", language="zh", owner=editor, content=a_content(), phrasings=["卡丢了"]
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


def test_the_database_itself_wants_a_second_person(cast: Cast, editor: Staff) -> None:
    version = points.create_point(
        by=editor, key="card-lost", language="zh", owner=None, content=a_content(), phrasings=[]
    )
    with pytest.raises(IntegrityError), transaction.atomic():
        Version.objects.filter(pk=version.pk).update(state=State.PUBLISHED, reviewer=editor)


def test_agents_cannot_write_points(cast: Cast) -> None:
    with pytest.raises(PermissionDenied):
        points.create_point(
            by=cast.mei, key="card-lost", language="zh", owner=None, content=a_content(), phrasings=[]
        )


def test_a_key_names_one_point(cast: Cast, editor: Staff) -> None:
    a_point(editor, cast)
    with pytest.raises(KeyTaken):
        points.create_point(
            by=editor, key="card-lost", language="zh", owner=None, content=a_content(), phrasings=[]
        )


def test_what_is_missing_is_said_for_every_field() -> None:
    content = Content(title="", answer="", category=None, links=[["网点", "javascript:alert(1)"]])
    with pytest.raises(PointIncomplete) as refusal:
        content.checked()
    assert set(refusal.value.problems) == {"title", "answer", "category", "links"}


def test_a_new_version_waits_while_the_old_one_is_still_said(
    cast: Cast, editor: Staff, announced: Announced
) -> None:
    point = a_point(editor, cast)
    assert announced.kinds() == ["KnowledgeChanged"]
    draft = points.save_draft(by=editor, point=point.pk, content=a_content("请到网点挂失。"))
    assert (draft.number, draft.state) == (2, State.DRAFT)
    assert Point.objects.get().published.answer == "请在手机银行里挂失。"  # type: ignore[union-attr]
    points.submit(by=editor, version=draft.pk)
    assert announced.kinds() == []
    approve_version(by=cast.yun, version=draft.pk)
    assert announced.kinds() == ["KnowledgeChanged"]
    assert Point.objects.get().published == draft
    assert Version.objects.get(number=1).state == State.REPLACED


def test_two_editors_do_not_undo_each_other(cast: Cast, editor: Staff) -> None:
    point = a_point(editor, cast)
    first = points.save_draft(by=editor, point=point.pk, content=a_content("一"))
    points.save_draft(by=cast.yun, point=point.pk, content=a_content("二"), seen=first.written_at)
    with pytest.raises(DraftChanged):
        points.save_draft(by=editor, point=point.pk, content=a_content("三"), seen=first.written_at)


@pytest.mark.usefixtures("one_day")
def test_what_is_changed_after_it_was_approved_has_to_be_approved_again(cast: Cast, editor: Staff) -> None:
    tomorrow = timezone.localdate() + timedelta(days=1)
    point = a_point(editor, cast)
    draft = points.save_draft(by=editor, point=point.pk, content=a_content("明天起", valid_from=tomorrow))
    points.submit(by=editor, version=draft.pk)
    approve_version(by=cast.yun, version=draft.pk)
    draft.refresh_from_db()
    assert draft.state == State.APPROVED
    points.save_draft(by=cast.yun, point=point.pk, content=a_content("又改了", valid_from=tomorrow))
    draft.refresh_from_db()
    assert (draft.state, draft.reviewer, draft.author) == (State.DRAFT, None, cast.yun)


@pytest.mark.usefixtures("one_day")
def test_a_version_approved_for_a_day_to_come_is_said_from_that_day(cast: Cast, editor: Staff) -> None:
    today = timezone.localdate()
    point = a_point(editor, cast)
    draft = points.save_draft(
        by=editor, point=point.pk, content=a_content("新利率", valid_from=today + timedelta(days=3))
    )
    points.submit(by=editor, version=draft.pk)
    approve_version(by=cast.yun, version=draft.pk)
    assert points.keep_validity(today) == 0
    assert points.keep_validity(today + timedelta(days=3)) == 1
    assert points.keep_validity(today + timedelta(days=3)) == 0
    assert Point.objects.get().published == draft


@pytest.mark.usefixtures("one_day")
def test_an_expired_point_goes_and_takes_its_canned_replies_with_it(cast: Cast, editor: Staff) -> None:
    today = timezone.localdate()
    point = a_point(editor, cast, valid_until=today)
    assert point.published is not None
    reply = CannedReply(
        owner=cast.mei,
        shortcut="lost",
        title="挂失",
        body=point.published.answer,
        source=point.published.source,
    )
    save_reply(staff=cast.mei, reply=reply)
    assert [each.point for each in selectors.expiring(editor)] == [point]
    assert points.keep_validity(today) == 0
    assert reply in usable_by(cast.mei)
    assert points.keep_validity(today + timedelta(days=1)) == 1
    assert reply not in usable_by(cast.mei)
    assert Point.objects.get().published is None
    assert Version.objects.get().state == State.WITHDRAWN


def test_withdrawing_twice_is_harmless(cast: Cast, editor: Staff) -> None:
    point = a_point(editor, cast)
    points.withdraw(by=cast.yun, point=point.pk, reason="费率变了")
    points.withdraw(by=cast.yun, point=point.pk, reason="费率变了")
    assert AuditEntry.objects.filter(verb="point.withdrawn").count() == 1
    assert list(selectors.in_state(Point.objects.all(), State.WITHDRAWN)) == [point]


def test_phrasings_change_at_once_and_what_came_from_use_waits(cast: Cast, editor: Staff) -> None:
    point = a_point(editor, cast)
    edition = Edition.objects.get().number
    phrasings.set_phrasings(by=editor, point=point.pk, phrasings=["卡丢了", " 卡丢了 ", "丢卡\n了", ""])
    assert [each.text for each in point.phrasings.all()] == ["卡丢了", "丢卡 了"]
    assert Edition.objects.get().number == edition + 1
    conversation = start_with(cast, cast.mei)
    assert point.published is not None
    for seq in (2, 2, 4):
        use.record_use(
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
    phrasings.judge_phrasing(by=editor, phrasing=suggested.pk, is_accepted=True)
    phrasings.judge_phrasing(by=editor, phrasing=suggested.pk, is_accepted=True)
    assert Phrasing.objects.get(text="我的卡不见了呀").state == Phrasing.State.ACCEPTED
    assert Point.objects.get().edition == Edition.objects.get().number == edition + 2


def test_a_message_keeps_what_it_was_made_from_and_a_replaced_version_finds_who_was_told(
    cast: Cast, editor: Staff
) -> None:
    point = a_point(editor, cast)
    assert point.published is not None
    conversation = start_with(cast, cast.mei)
    say(conversation, "卡丢了")
    source = point.published.source
    assert use.require_current(source) == point.published
    post = make_answer(
        staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), body=point.published.answer, source=source
    )
    post_batch([post])
    draft = points.save_draft(by=editor, point=point.pk, content=a_content("利率变了。"))
    points.submit(by=editor, version=draft.pk)
    approve_version(by=cast.yun, version=draft.pk)
    with pytest.raises(OutOfDate):
        use.require_current(source)
    told = selectors.messages_from(point.published).get()
    assert told.conversation == conversation
    assert selectors.recipient_counts(point) == {1: 1}
    assert selectors.messages_from(draft).count() == 0
    assert use.require_current("") is None
    assert Message.objects.exclude(source="").count() == 1


def test_questions_without_an_answer_gather_in_a_gap(cast: Cast, editor: Staff) -> None:
    conversation = start(cast)
    say(conversation, "能用贝壳付款吗")
    say(conversation, "贝壳可以付款不")
    first, second = conversation.messages.filter(author_role="visitor").order_by("seq")
    use.record_unanswered(message=first, language="zh", like=None)
    gap = UnansweredQuestion.objects.get()
    use.record_unanswered(message=second, language="zh", like=gap.pk)
    use.record_unanswered(message=second, language="zh", like=gap.pk)
    gap.refresh_from_db()
    assert (gap.text, gap.count) == ("能用贝壳付款吗", 2)
    use.settle_unanswered(by=editor, gap=gap.pk, point=None)
    third = say(conversation, "贝壳")
    use.record_unanswered(message=conversation.messages.get(seq=third.seq), language="zh", like=gap.pk)
    assert UnansweredQuestion.objects.filter(state=UnansweredQuestion.State.OPEN).get() != gap


def test_an_import_by_a_person_waits_for_approval_and_by_a_command_is_said(cast: Cast, editor: Staff) -> None:
    given = [PointToImport(f"point-{n}", "zh", a_content(f"答案{n}"), [f"问法{n}"]) for n in range(3)]
    outcome = import_points(by=editor, given=given)
    assert (outcome.new, outcome.changed, outcome.unchanged) == (3, 0, 0)
    assert set(Version.objects.values_list("state", flat=True)) == {State.REVIEW}
    assert import_points(by=editor, given=given).unchanged == 3
    import_points(by=None, given=[PointToImport("point-0", "zh", a_content("新答案"), ["问法0", "另一个"])])
    point = Point.objects.get(key="point-0")
    assert point.published is not None
    assert (point.published.answer, point.published.number) == ("新答案", 1)
    assert [each.text for each in point.phrasings.all()] == ["问法0", "另一个"]
    import_points(by=None, given=[PointToImport("point-0", "zh", a_content("更新的答案"))])
    assert list(point.versions.order_by("number").values_list("number", "state")) == [
        (1, State.REPLACED),
        (2, State.PUBLISHED),
    ]
    assert point.phrasings.count() == 2


def test_an_import_with_one_wrong_row_stores_nothing_and_names_it(cast: Cast, editor: Staff) -> None:
    given = [
        PointToImport("good", "zh", a_content()),
        PointToImport("bad", "zh", a_content("")),
        PointToImport("fine", "zh", a_content()),
    ]
    with pytest.raises(ImportRefused) as refusal:
        import_points(by=editor, given=given)
    assert {number: set(problems) for number, problems in refusal.value.rows.items()} == {1: {"answer"}}
    assert not Point.objects.exists()


def test_dates_the_wrong_way_round_are_refused() -> None:
    with pytest.raises(PointIncomplete) as refusal:
        a_content(valid_from=date(2026, 2, 2), valid_until=date(2026, 1, 1)).checked()
    assert "valid_until" in refusal.value.problems
