"""Tests of the knowledge pages: content for each person, numbers of queries, and refused forms that keep their text."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence
from datetime import timedelta
from io import StringIO
from pathlib import Path
from threading import Event
from typing import Any
from uuid import uuid4

import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts.models import AuditEntry, Staff
from chat.actions import posts
from chat.actions.canned_replies import make_answer
from chat.canned_replies import usable_by
from chat.models import CannedReply, Conversation, Message
from core import periodic
from knowledge.actions import point_use, points
from knowledge.actions.branches import category_at
from knowledge.actions.editing import begin_point, edit_token
from knowledge.actions.imports import PointToImport, import_points
from knowledge.content import Content
from knowledge.differences import differences
from knowledge.models import Phrasing, Point, UnansweredQuestion, UnansweredQuestionExample, Version
from knowledge.published_index import published
from knowledge.search import embeddings
from tests.harness.approvals import approve_pending, approve_version, digest_of_version
from tests.harness.files import pdf
from tests.people import Cast, say, start_with

pytestmark = pytest.mark.django_db

State = Version.State
ANSWER = "您别急，请马上在手机银行里挂失。"


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[None]:
    with override_settings(MEDIA_ROOT=tmp_path):
        yield


def client_of(staff: Staff) -> Client:
    client = Client(headers={"accept-language": "en", "accept": "text/html"})
    client.force_login(staff, settings.AUTHENTICATION_BACKENDS[0])
    return client


def page(staff: Staff, path: str, **data: Any) -> str:
    response = client_of(staff).get(f"/console/{path}", data)
    assert response.status_code == 200, response.status_code
    return response.content.decode()


def a_point(cast: Cast, key: str = "card-lost", answer: str = ANSWER, **other: Any) -> Point:
    """Create and return a published point, written by the editor and approved by the supervisor."""
    content = Content(other.pop("title", "卡丢了怎么挂失？"), answer, category_at("银行卡/挂失"), **other)
    version = begin_point(
        by=cast.ning,
        key=key,
        language="zh",
        owner=cast.ning,
        content=content,
        phrasings=["卡丢了"],
        is_ready=True,
    )
    approve_version(by=cast.yun, version=version.pk)
    return Point.objects.select_related("published").get(key=key)


def a_draft(cast: Cast, point: Point, answer: str, by: Staff | None = None) -> Version:
    content = Content("卡丢了怎么挂失？", answer, category_at("银行卡/挂失"))
    return points.save_draft(by=by or cast.ning, point=point.pk, content=content)


def form_of(point: Point, **changes: Any) -> dict[str, Any]:
    version = point.versions.order_by("-number")[0]
    return {
        "title": version.title, "answer": version.answer, "note": version.note, "category": "银行卡/挂失",
        "phrasings": "卡丢了", "links": "", "owner": point.owner_id or "", "seen": edit_token(point), **changes,
    }  # fmt: skip


def answer_from(
    cast: Cast, point: Point, agent: Staff, *, body: str = "", reference: str = ""
) -> Conversation:
    """Return a new conversation in which an agent has sent an answer made from the published version of the point."""
    conversation = start_with(cast, agent)
    assert point.published is not None
    words = body or point.published.answer
    post = make_answer(
        staff=agent, uuid=conversation.uuid, client_id=uuid4(), body=words, source=point.published.source
    )
    posts.post_batch([post])
    seq = Message.objects.filter(conversation=conversation).order_by("-seq")[0].seq
    point_use.record_use(
        by=agent,
        version=point.published,
        conversation=conversation,
        seq=seq,
        question="",
        is_edited=bool(body),
    )
    if reference:
        conversation.visitor.customer_reference = reference
        conversation.visitor.save(update_fields=["customer_reference"])
    return conversation


# -- The list --------------------------------------------------------------------------------------------------------


def test_everyone_sees_published_points_and_editors_also_unpublished_ones(cast: Cast) -> None:
    said = a_point(cast)
    a_draft(cast, said, "新的答复，还没有批准。")
    content = Content("还没批准的问题？", "草稿", category_at("账户"))
    begin_point(by=cast.ning, key="draft", language="zh", owner=None, content=content, phrasings=[])
    for agent in (cast.mei, cast.jun):
        shown = page(agent, "points/")
        assert "卡丢了怎么挂失？" in shown
        assert "还没批准的问题？" not in shown
        assert "version 2" not in shown
    shown = page(cast.ning, "points/")
    assert "还没批准的问题？" in shown
    assert "version 2 draft" in shown


@pytest.mark.both_databases
def test_the_list_is_filtered_by_state_category_department_owner_language_and_words(cast: Cast) -> None:
    lost = a_point(cast, department=cast.cards)
    loan = a_point(cast, "loan", title="房贷怎么提前还？", answer="请预约。", department=cast.loans)
    Version.objects.filter(point=loan).update(category=category_at("贷款/还款"))
    Point.objects.filter(pk=loan.pk).update(owner=cast.yun, language="en")
    new = a_draft(cast, lost, "请打客服挂失。")
    points.submit(by=cast.ning, version=new.pk)
    client = client_of(cast.yun)

    def keys(**wanted: Any) -> list[str]:
        response = client.post("/console/found-points", wanted)
        assert response.status_code == 200
        return [row.point.key for row in response.context["rows"]]

    assert keys() == ["card-lost", "loan"]
    assert keys(category=category_at("贷款").pk) == ["loan"]
    assert keys(department=cast.cards.pk) == ["card-lost"]
    assert keys(owner=cast.yun.pk) == ["loan"]
    assert keys(language="en") == ["loan"]
    assert keys(q="挂失") == ["card-lost"]
    assert keys(q="挂失 客服") == ["card-lost"]
    assert keys(q="演唱会 门票") == []
    assert keys(state="review") == keys(state="to_approve") == ["card-lost"]
    assert keys(state="published") == ["card-lost", "loan"]
    assert keys(state="withdrawn") == []
    points.send_back(by=cast.yun, version=new.pk, remark="费用？")
    assert keys(state="sent_back") == []
    mine = client_of(cast.ning).post("/console/found-points", {"state": "sent_back"})
    assert [row.point.key for row in mine.context["rows"]] == ["card-lost"]
    soon = timezone.localdate() + timedelta(days=7)
    Version.objects.filter(point=lost, state=State.PUBLISHED).update(valid_until=soon)
    assert keys(state="expiring") == ["card-lost"]


@pytest.mark.both_databases
def test_search_finds_by_meaning_pinyin_and_typos_and_unpublished_points_by_their_text(cast: Cast) -> None:
    lost = a_point(cast, department=cast.cards)
    a_point(cast, "swallowed", title="取款机吞卡了怎么办？", answer="请到网点领取。", department=cast.cards)
    gone = a_point(cast, "gone", title="存折丢了怎么挂失？", answer="请到网点。")
    points.withdraw(by=cast.yun, point=gone.pk, reason="已停办")
    content = Content("挂失后多久补卡？", "五天。", category_at("银行卡"))
    begin_point(by=cast.ning, key="draft", language="zh", owner=None, content=content, phrasings=[])
    a_draft(cast, lost, "请打新号码。")

    def keys(staff: Staff = cast.ning, **wanted: Any) -> list[str]:
        answer = client_of(staff).post("/console/found-points", wanted)
        return [row.point.key for row in answer.context["rows"]]

    # Published points that the search finds by meaning come first. After them come points that contain the word, the
    # most recently changed first.
    assert keys(q="挂失") == ["card-lost", "draft", "gone"]
    assert keys(cast.mei, q="挂失") == ["card-lost"]
    assert keys(q="新号码") == keys(q="新號碼") == ["card-lost"]
    assert keys(q="請打新號碼") == ["card-lost"]
    for typed in ("kdlzm", "kadiule", "卡丢勒", "掛失", "我的卡遗失了"):
        assert keys(cast.mei, q=typed)[:1] == ["card-lost"], typed
    assert keys(q="吞咔") == ["swallowed"]
    assert keys(q="挂失", state="withdrawn") == ["gone"]
    assert keys(q="kdlzm", department=cast.loans.pk) == []
    assert keys(q="演唱会门票") == []


def test_a_search_has_pages_and_makes_as_many_queries_for_many_hits_as_for_few(cast: Cast) -> None:
    client = client_of(cast.ning)

    def some(first: int, count: int) -> None:
        given = [
            PointToImport(
                f"point-{number}",
                "zh",
                Content(f"问题{number}？", "答", category_at("目录")),
                [f"问法{number}"],
            )
            for number in range(first, first + count)
        ]
        import_points(by=None, given=given)
        # Load the new index now, because requests look for a new edition only once a second.
        published.forget()
        published.current()

    def queries() -> int:
        client.post("/console/found-points", {"q": "问题"})
        with CaptureQueriesContext(connection) as captured:
            client.post("/console/found-points", {"q": "问题"})
        return len(captured)

    some(0, 3)
    few = queries()
    some(3, 130)
    assert queries() <= few + 1
    answers = [client.post("/console/found-points", {"q": "问题", "page": page}) for page in (1, 2, 3, 4)]
    assert answers[0].context["count"] == 133
    found = [row.point.key for answer in answers for row in answer.context["rows"]]
    assert len(found) == len(set(found)) == 133


def test_the_list_shows_an_editor_the_number_of_waiting_tasks(cast: Cast) -> None:
    lost = a_point(cast, valid_until=timezone.localdate() + timedelta(days=10))
    points.submit(by=cast.yun, version=a_draft(cast, lost, "请打客服挂失。", by=cast.yun).pk)
    Phrasing.objects.create(point=lost, text="卡没了", state=Phrasing.State.SUGGESTED)
    UnansweredQuestion.objects.create(text="你们几点下班", count=2)
    tasks = client_of(cast.ning).get("/console/points/").context["tasks"]
    assert (tasks.to_approve, tasks.sent_back, tasks.expiring, tasks.unanswered, tasks.phrasings) == (
        1,
        0,
        1,
        1,
        1,
    )
    assert "tasks" not in client_of(cast.mei).get("/console/points/").context


def test_lists_and_pages_make_as_many_queries_for_many_points_as_for_few(cast: Cast) -> None:
    def some(first: int, count: int) -> None:
        given = [
            PointToImport(
                f"point-{number}",
                "zh",
                Content(f"问题{number}？", "答", category_at(f"目录{number % 9}")),
                ["甲", "乙"],
            )
            for number in range(first, first + count)
        ]
        import_points(by=None, given=given)

    def queries(path: str) -> int:
        client = client_of(cast.ning)
        client.get(path)
        with CaptureQueriesContext(connection) as captured:
            client.get(path)
        return len(captured)

    some(0, 4)
    paths = ["/console/points/", "/console/points/?state=published", "/console/points/point-1/"]
    few = [queries(path) for path in paths]
    some(4, 200)
    assert [queries(path) for path in paths] == few
    assert max(few) <= 18


# -- One point -------------------------------------------------------------------------------------------------------


def test_an_agent_sees_the_published_version_and_no_draft_even_by_its_number(cast: Cast) -> None:
    point = a_point(cast, note="先核实身份", links=[["网点", "https://bank.example/a"]])
    a_draft(cast, point, "还没批准的答复")
    shown = page(cast.mei, "points/card-lost/", version=2)
    assert ANSWER in shown
    assert "先核实身份" in shown
    assert "https://bank.example/a" in shown
    assert "还没批准的答复" not in shown
    assert "Approve" not in shown
    points.withdraw(by=cast.ning, point=point.pk, reason="停办")
    assert client_of(cast.mei).get("/console/points/card-lost/").status_code == 404
    assert "停办" in page(cast.ning, "points/card-lost/", version=1)


def test_each_action_of_a_point_is_offered_only_to_staff_who_may_take_it(cast: Cast) -> None:
    point = a_point(cast)
    version = a_draft(cast, point, "请打客服挂失。")
    path = "points/card-lost/"
    assert "Send for review" in page(cast.ning, path, version=2)
    points.submit(by=cast.ning, version=version.pk)
    mine, theirs = page(cast.ning, path, version=2), page(cast.yun, path, version=2)
    assert ">Approve<" not in mine
    assert "Someone other than the author must approve this." in mine
    assert ">Approve<" in theirs
    assert "Send back" in theirs
    assert "Save as my canned reply" in page(cast.mei, path)
    assert "Recipients" not in page(cast.ning, path)
    assert "Recipients" in page(cast.yun, path)


def test_a_version_in_review_shows_its_changes_from_the_published_one(cast: Cast) -> None:
    point = a_point(cast)
    version = a_draft(cast, point, "您别急，请马上打电话挂失。")
    shown = page(cast.yun, "points/card-lost/", version=version.number)
    assert '<span class="unseen">[removed </span>在手机银行里<span class="unseen">]</span></del' in shown
    assert '<span class="unseen">[added </span>打电话<span class="unseen">]</span></ins' in shown
    between = page(cast.yun, "points/card-lost/differences", **{"from": 2, "to": 1})
    assert "打电话" in between


@pytest.mark.both_databases
def test_a_version_is_sent_back_with_a_remark_then_approved_and_withdrawn_with_a_reason(cast: Cast) -> None:
    point = a_point(cast)
    points.submit(by=cast.ning, version=a_draft(cast, point, "请打客服挂失。").pk)
    yun, ning = client_of(cast.yun), client_of(cast.ning)
    address = "/console/points/card-lost/versions/2"
    refused = yun.post(f"{address}/send-back", {"remark": "  "})
    assert refused.status_code == 422
    assert "Give a reason" in refused.content.decode()
    assert yun.post(f"{address}/send-back", {"remark": "写上费用"}).status_code == 302
    assert "写上费用" in page(cast.ning, "points/card-lost/", version=2)
    assert ning.post(f"{address}/submit").status_code == 302
    digest = {"digest": digest_of_version(Version.objects.get(number=2).pk)}
    assert ning.post(f"{address}/approve", digest).status_code == 409
    assert yun.post(f"{address}/approve").status_code == 409
    assert yun.post(f"{address}/approve", digest).status_code == 302
    assert yun.post(f"{address}/approve", digest).status_code == 302
    assert Point.objects.get().published == Version.objects.get(number=2)
    assert ning.post("/console/points/card-lost/versions/1/withdraw", {"remark": "旧的"}).status_code == 409
    assert ning.post(f"{address}/withdraw", {"remark": "业务停办"}).status_code == 302
    assert Point.objects.get().published is None


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("年利率 1.35%，请到网点办。", "年利率 1.20%，请在手机上办。"),
        ("a b", ""),
        ("", "全新"),
        ("同样", "同样"),
        ("第一行\n第二行", "第一行\n\n第二行！"),
        ("𠮷野家 Wi-Fi 3,000元", "𠮷野屋 WiFi 3,500元"),
    ],
)
def test_the_pieces_of_a_difference_add_up_to_both_texts(old: str, new: str) -> None:
    pieces = differences(old, new)
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == old
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == new
    if "1.35" in old:
        assert ("removed", "1.35") in pieces


# -- Writing ---------------------------------------------------------------------------------------------------------


def test_a_new_point_is_created_and_sent_for_review_in_one_step(cast: Cast) -> None:
    form = {
        "key": "open-account", "language": "zh", "title": "怎么开户？", "answer": "请带身份证。",
        "category": "账户/开户", "phrasings": "开卡\n\n办卡 \n开卡", "links": "网点 | https://bank.example/a\nhttps://bank.example/b",
        "owner": cast.ning.pk, "submit": "1",
    }  # fmt: skip
    client = client_of(cast.ning)
    refused = client.post("/console/new-point/create", form)
    assert refused.status_code == 422
    assert "There is no such category." in refused.content.decode()
    assert "请带身份证。" in refused.content.decode()
    done = client.post("/console/new-point/create", form | {"is_new_category": "on"})
    assert done["Location"] == "/console/points/open-account/?version=1#saved"
    version = Version.objects.get()
    assert (version.state, version.author, version.point.owner) == (State.REVIEW, cast.ning, cast.ning)
    assert version.links == [["网点", "https://bank.example/a"], ["https://bank.example/b"] * 2]
    assert [item.text for item in version.point.phrasings.all()] == ["开卡", "办卡"]
    again = client.post("/console/new-point/create", form)
    assert again.status_code == 422
    assert "already has this key" in again.content.decode()


def test_an_invalid_point_form_shows_errors_at_the_fields_and_keeps_the_text(cast: Cast) -> None:
    point = a_point(cast)
    wrong = form_of(
        point, answer="改了", links="坏的 | ftp://x", phrasings="长" * 201, valid_from="2026-02-02",
        valid_until="2026-01-01",
    )  # fmt: skip
    response = client_of(cast.ning).post("/console/points/card-lost/save", wrong)
    assert response.status_code == 422
    assert set(response.context["form"].errors) == {"links", "phrasings", "valid_until"}
    assert "改了" in response.content.decode()
    assert point.versions.count() == 1


def test_phrasings_and_owner_change_immediately_without_a_new_version(cast: Cast) -> None:
    point = a_point(cast)
    before = Point.objects.get().edition
    form = form_of(point, phrasings="卡丢了\n钱包被偷了", owner=cast.yun.pk)
    assert client_of(cast.ning).post("/console/points/card-lost/save", form).status_code == 302
    point.refresh_from_db()
    assert [item.text for item in point.phrasings.all()] == ["卡丢了", "钱包被偷了"]
    assert point.owner == cast.yun
    assert point.edition > before
    assert point.versions.count() == 1


def test_an_editor_is_shown_the_changes_of_another_before_overwriting_them(cast: Cast) -> None:
    """Check that an editor sees another editor's changes before overwriting them.

    Both editors open the form before any draft exists, so a comparison of draft times could not detect the conflict.
    """
    point = a_point(cast)
    first, second = form_of(point, answer="第一位写的"), form_of(point, answer="第二位写的")
    assert client_of(cast.yun).post("/console/points/card-lost/save", first).status_code == 302
    client = client_of(cast.ning)
    refused = client.post("/console/points/card-lost/save", second)
    assert refused.status_code == 409
    shown = refused.content.decode()
    assert "Someone else has edited this knowledge point in the meantime" in shown
    assert "第二位写的" in shown
    assert "一" in shown
    assert Version.objects.get(number=2).answer == "第一位写的"
    again = second | {"seen": refused.context["form"]["seen"].value()}
    assert client.post("/console/points/card-lost/save", again).status_code == 302
    assert Version.objects.get(number=2).answer == "第二位写的"


def test_files_are_checked_and_served_to_staff_who_may_read_the_point(cast: Cast) -> None:
    a_point(cast)
    client = client_of(cast.ning)
    form = pdf()
    address = "/console/points/card-lost/attachments"
    refused = client.post(address, {"file": SimpleUploadedFile("a.pdf", b"<script>")})
    assert refused.status_code == 415
    assert "This kind of file cannot be sent." in refused.content.decode()
    assert client.post(address, {"file": SimpleUploadedFile("../申请表.pdf", form)}).status_code == 302
    file = Point.objects.get().files.get()
    assert file.name == "申请表.pdf"
    assert client_of(cast.mei).get(f"/console/point-files/{file.pk}").status_code == 404
    assert approve_pending(by=cast.yun, kind="knowledge.point_file") == 1
    response = client_of(cast.mei).get(f"/console/point-files/{file.pk}")
    assert response.getvalue() == form
    assert response["Content-Disposition"].startswith("attachment")
    assert "sandbox" in response["Content-Security-Policy"]
    points.withdraw(by=cast.ning, point=file.point_id, reason="停办")
    assert client_of(cast.mei).get(f"/console/point-files/{file.pk}").status_code == 404
    stored = Path(file.file.path)
    call_command("tidy_attachments", "--hours=0")
    assert stored.exists()
    assert client.post(f"/console/point-files/{file.pk}/remove").status_code == 302
    assert not Point.objects.get().files.exists()


# -- Learning from use -----------------------------------------------------------------------------------------------


def test_a_suggested_phrasing_is_accepted_or_declined(cast: Cast) -> None:
    point = a_point(cast)
    yes, no = (
        Phrasing.objects.create(point=point, text=text, state=Phrasing.State.SUGGESTED, count=count)
        for text, count in (("钱包被偷卡在里面", 5), ("在吗", 3))
    )
    client = client_of(cast.ning)
    shown = page(cast.ning, "phrasings/")
    assert shown.index("钱包被偷卡在里面") < shown.index("在吗")
    htmx = {"HX-Request": "true"}
    accepted = client.post(f"/console/phrasings/{yes.pk}/judge", {"accept": "1"}, headers=htmx)
    assert (accepted.status_code, accepted.content) == (200, b"")
    assert client.post(f"/console/phrasings/{no.pk}/judge", {"decline": "1"}).status_code == 302
    assert [Phrasing.objects.get(pk=item.pk).state for item in (yes, no)] == ["accepted", "declined"]
    assert "No phrasings are waiting." in page(cast.ning, "phrasings/")


def a_gap(cast: Cast, *texts: str) -> UnansweredQuestion:
    gap = UnansweredQuestion.objects.create(text=texts[0], count=len(texts))
    for text in texts:
        conversation = start_with(cast, cast.mei)
        seq = say(conversation, text).seq
        UnansweredQuestionExample.objects.create(gap=gap, conversation=conversation, seq=seq, text=text)
    return gap


def test_an_unanswered_question_shows_examples_and_links_to_readable_conversations(cast: Cast) -> None:
    gap = a_gap(cast, "周日开门吗", "星期天上班吗", "礼拜天营业不", "周末有人吗")
    theirs, mine = page(cast.yun, "gaps/"), page(cast.ning, "gaps/")
    assert "asked 4 times" in mine
    assert theirs.count("/console/conversations/") == 3
    assert "/console/conversations/" not in mine
    form = page(cast.ning, "new-point", gap=gap.pk)
    assert "星期天上班吗\n" in form


@pytest.mark.both_databases
def test_an_unanswered_question_becomes_a_point_joins_one_or_is_dismissed(cast: Cast) -> None:
    point = a_point(cast)
    made, belongs, needless = (a_gap(cast, text) for text in ("周日开门吗", "卡找不到了", "哈哈"))
    client = client_of(cast.ning)
    offered = client.post(f"/console/gaps/{belongs.pk}/points", {"q": "挂失"}).content.decode()
    assert "卡丢了怎么挂失？" in offered
    form = {
        "key": "hours", "language": "zh", "title": "周日开门吗", "answer": "看网点。", "category": "银行卡/挂失",
        "gap": made.pk,
    }  # fmt: skip
    assert client.post("/console/new-point/create", form).status_code == 302
    client.post(f"/console/gaps/{belongs.pk}/settle", {"point": "card-lost"})
    client.post(f"/console/gaps/{needless.pk}/settle")
    states = [UnansweredQuestion.objects.get(pk=item.pk) for item in (made, belongs, needless)]
    assert [item.state for item in states] == ["answered", "answered", "dismissed"]
    assert [item.point.key if item.point else "" for item in states] == ["hours", "card-lost", ""]
    assert "卡找不到了" in [item.text for item in point.phrasings.all()]
    assert AuditEntry.objects.filter(verb="gap.settled").count() == 3


# -- Recipients ------------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
@pytest.mark.usefixtures("one_day")
def test_recipients_are_listed_filtered_and_exported(cast: Cast) -> None:
    point = a_point(cast)
    answer_from(cast, point, cast.mei, reference="QL0001")
    version = a_draft(cast, point, "=HYPERLINK(新的答复)")
    points.submit(by=cast.ning, version=version.pk)
    approve_version(by=cast.yun, version=version.pk)
    point = Point.objects.select_related("published").get()
    answer_from(cast, point, cast.hao, body="=1+1 改过的话")
    shown = page(cast.yun, "points/card-lost/told")
    assert "2 customers" in shown
    assert "QL0001" in shown
    assert "edited by the agent" in shown
    assert "改过的话" not in page(cast.yun, "points/card-lost/told", version=1)
    assert "改过的话" not in page(cast.yun, "points/card-lost/told", known="on")
    today = timezone.localdate()
    assert "No customer has received this." in page(
        cast.yun, "points/card-lost/told", until=today - timedelta(days=1)
    )
    auditor = client_of(cast.wen).get("/console/points/card-lost/told.csv", {"since": str(today)})
    lines = list(csv.reader(StringIO(auditor.content.decode("utf-8-sig"))))
    assert [line[-1] for line in lines[1:]] == ["'=1+1 改过的话", ANSWER]
    assert [line[6] for line in lines[1:]] == ["yes", "no"]
    assert lines[2][0] == "QL0001"
    assert AuditEntry.objects.get(verb="point.told_exported").detail == {"count": 2}
    assert AuditEntry.objects.filter(verb="point.told_read").count() == 4


@pytest.mark.both_databases
def test_ten_thousand_recipients_are_shown_in_pages(cast: Cast) -> None:
    point = a_point(cast)
    conversation = answer_from(cast, point, cast.mei)
    assert point.published is not None
    Message.objects.bulk_create(
        [
            Message(
                conversation=conversation, seq=seq, client_id=uuid4(), body="答", author_role="agent",
                author_name="林梅", source=point.published.source,
            )
            for seq in range(1000, 1130)
        ]
    )  # fmt: skip
    client = client_of(cast.yun)
    with CaptureQueriesContext(connection) as first:
        response = client.get("/console/points/card-lost/told")
    assert len(response.context["rows"]) == 50
    after = response.context["next"]
    with CaptureQueriesContext(connection) as second:
        rows, following = told_page(client, after)
    assert (rows, following is not None) == (50, True)
    assert max(len(first), len(second)) <= 14
    assert told_page(client, following) == (31, None)


def told_page(client: Client, before: int | None) -> tuple[int, int | None]:
    """Request the page of recipients whose messages are older than the message with the id `before`.

    Returns the number of rows, and the value of `before` for the next page.
    """
    shown = client.get(f"/console/points/card-lost/told/rows?before={before}").content.decode()
    following = re.search(r"before=(\d+)", shown)
    return shown.count("<tr><td><b"), int(following[1]) if following else None


# -- Replies made from points, and periodic jobs ----------------------------------------------------------------------


def test_a_reply_made_from_a_point_becomes_inactive_with_it_and_is_updated(cast: Cast) -> None:
    point = a_point(cast)
    client = client_of(cast.mei)
    form = client.get("/console/replies/new", {"point": "card-lost"}).context["form"]
    first = {name: form[name].value() for name in ("title", "body", "source", "language")}
    assert first["body"] == ANSWER
    reply = {**first, "scope": "personal", "shortcut": "gs"}
    assert client.post("/console/replies/create", reply).status_code == 302
    kept = CannedReply.objects.get()
    assert list(usable_by(cast.mei)) == [kept]
    version = a_draft(cast, point, "请打客服挂失。")
    points.submit(by=cast.ning, version=version.pk)
    approve_version(by=cast.yun, version=version.pk)
    assert list(usable_by(cast.mei)) == []
    assert "Inactive: its knowledge point" in page(cast.mei, "replies/")
    stale = client.post(f"/console/replies/{kept.pk}/change", reply)
    assert stale.status_code == 409
    assert list(usable_by(cast.mei)) == []
    renewed = client.get(f"/console/replies/{kept.pk}/?renew").context["form"]
    again = reply | {"body": renewed["body"].value(), "source": renewed["source"].value()}
    assert again["body"] == "请打客服挂失。"
    assert client.post(f"/console/replies/{kept.pk}/change", again).status_code == 302
    assert [item.body for item in usable_by(cast.mei)] == ["请打客服挂失。"]


@pytest.mark.both_databases
def test_an_expired_point_is_withdrawn_by_the_periodic_job(
    cast: Cast, capsys: pytest.CaptureFixture[str]
) -> None:
    point = a_point(cast)
    Version.objects.filter(point=point).update(valid_until=timezone.localdate() - timedelta(days=1))
    call_command("run_periodic_jobs")
    assert "1 records changed" in capsys.readouterr().out
    assert Point.objects.get().published is None
    assert periodic.run_jobs() == 0


def test_a_failing_periodic_job_does_not_stop_the_others(monkeypatch: pytest.MonkeyPatch, cast: Cast) -> None:
    def fails() -> int:
        raise ValueError

    monkeypatch.setattr(periodic, "JOBS", (fails, lambda: 2))
    assert periodic.run_jobs() == 2


def test_an_editor_arrives_at_the_knowledge_points_after_sign_in(cast: Cast) -> None:
    response = client_of(cast.ning).get("/console/", follow=True)
    assert response.redirect_chain == [("/console/points/", 302)]
    shown = response.content.decode()
    assert 'href="/console/search"' not in shown
    assert 'href="/admin/"' in shown
    assert 'href="/console/search"' in page(cast.mei, "points/")


def test_the_list_shows_editors_the_number_of_points_still_being_learned(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    may_learn = Event()

    def vectors_when_allowed(texts: Sequence[str]) -> embeddings.Vectors:
        may_learn.wait()
        return embeddings.vectors_of(texts)

    monkeypatch.setattr(embeddings, "_store", None)
    monkeypatch.setattr("knowledge.published_index.encode_in_process", vectors_when_allowed)
    a_point(cast, "lost", department=cast.cards)
    with override_settings(LEARNING=True, STATE_DIR=tmp_path):
        words = "The search is still learning 1 knowledge point"
        assert words in page(cast.ning, "points/")
        assert words not in page(cast.mei, "points/")
        learning = published._learning
        assert learning is not None
        may_learn.set()
        learning.join()
        assert words not in page(cast.ning, "points/")
