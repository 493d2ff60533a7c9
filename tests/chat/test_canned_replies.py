"""Tests of canned replies: placeholders, search by pinyin, and the rights to change and to send them."""

from __future__ import annotations

from uuid import uuid4

import pytest
from hypothesis import given
from hypothesis import strategies as st

from chat import canned_replies
from chat.actions.canned_replies import delete_reply, make_answer, save_reply
from chat.errors import (
    BadRequest,
    EmptyText,
    NotFound,
    Refusal,
    ShortcutTaken,
    TextTooLong,
    UnfilledPlaceholder,
)
from chat.models import CannedReply
from tests.harness.approvals import approve_pending
from tests.people import Cast, start_with


@pytest.mark.parametrize(
    ("title", "typed"),
    [
        ("问候（带称呼）", ["whdch", "wenhoudaichenghu"]),
        ("ATM 取款 2", ["atmqk2", "atmqukuan2"]),
        ("Please wait", ["pleasewait"]),
        ("还款方式", ["hkfs", "huankuanfangshi"]),
        ("支行地址", ["zhdz", "zhihangdizhi"]),
        ("重置密码", ["czmm", "chongzhimima"]),
        ("朝阳支行", ["cyzh", "chaoyangzhihang"]),
        ("绿卡", ["lk", "lvka", "luka"]),
        ("参加抽奖", ["cjcj"]),
        ("银行长期限额调整", ["yhcqxetz"]),
    ],
)
def test_initials_of_contains_every_reading_of_a_title(title: str, typed: list[str]) -> None:
    assert set(typed) <= set(canned_replies.initials_of(title).split())


def test_initials_of_fits_its_column() -> None:
    assert canned_replies.initials_of("") == canned_replies.initials_of("？！") == ""
    longest = CannedReply._meta.get_field("initials").max_length
    assert longest
    assert len(canned_replies.initials_of("行长还重调" * 16)) <= longest


def test_fill_placeholders_keeps_those_without_a_value() -> None:
    values = {"visitor_name": "", "agent_name": "林梅", "agent_number": "1001"}
    text = canned_replies.fill_placeholders(
        "{visitor_name}您好，我是{ agent_name }，｛agent_number｝号 {card}", values
    )

    assert text == "{visitor_name}您好，我是林梅，1001号 {card}"
    assert canned_replies.unfilled_placeholders(text) == ["visitor_name"]


def test_fill_placeholders_does_not_fill_placeholders_in_values() -> None:
    assert (
        canned_replies.fill_placeholders("{visitor_name}", {"visitor_name": "{hotline}", "hotline": "95000"})
        == "{hotline}"
    )


@given(st.text())
def test_text_without_braces_is_unchanged(text: str) -> None:
    if not set("{}｛｝") & set(text):
        assert canned_replies.fill_placeholders(text, dict.fromkeys(canned_replies.PLACEHOLDERS, "x")) == text
        assert canned_replies.unfilled_placeholders(text) == []


@pytest.mark.django_db
@pytest.mark.both_databases
class TestActions:
    def reply(self, **fields: object) -> CannedReply:
        return CannedReply(**{"shortcut": "sd", "title": "稍等", "body": "请稍等。", **fields})

    def test_save_reply_refuses_a_shortcut_in_use(self, cast: Cast) -> None:
        save_reply(staff=cast.mei, reply=self.reply(owner=cast.mei))
        save_reply(staff=cast.hao, reply=self.reply(owner=cast.hao))
        save_reply(staff=cast.mei, reply=self.reply(owner=cast.mei, language="en"))
        with pytest.raises(ShortcutTaken):
            save_reply(staff=cast.mei, reply=self.reply(owner=cast.mei, title="另一条"))
        assert CannedReply.objects.count() == 3

    def test_agents_edit_only_their_own_replies(self, cast: Cast) -> None:
        for reply in (self.reply(), self.reply(department=cast.cards), self.reply(owner=cast.hao)):
            with pytest.raises(NotFound):
                save_reply(staff=cast.mei, reply=reply)
        save_reply(staff=cast.yun, reply=self.reply())
        approve_pending(by=cast.an)
        shared = CannedReply.objects.get()
        shared.owner = cast.mei
        with pytest.raises(NotFound):
            save_reply(staff=cast.mei, reply=shared)
        with pytest.raises(NotFound):
            delete_reply(staff=cast.mei, pk=shared.pk)
        assert CannedReply.objects.get().owner is None

    def test_delete_reply_twice_is_harmless(self, cast: Cast) -> None:
        reply = self.reply(owner=cast.mei)
        save_reply(staff=cast.mei, reply=reply)
        for _ in range(2):
            delete_reply(staff=cast.mei, pk=reply.pk)
        assert not CannedReply.objects.exists()

    @pytest.mark.parametrize(("field", "value"), [("title", "  "), ("body", "\x00")])
    def test_save_reply_without_text_is_refused(self, cast: Cast, field: str, value: str) -> None:
        with pytest.raises(EmptyText):
            save_reply(staff=cast.mei, reply=self.reply(owner=cast.mei, **{field: value}))

    @pytest.mark.parametrize(
        ("body", "choices", "refusal"),
        [
            (" \x00 ", [], EmptyText),
            ("长" * 2001, [], TextTooLong),
            ("您好{visitor_name}", [], UnfilledPlaceholder),
            ("您好｛ visitor_name ｝", [], UnfilledPlaceholder),
            ("请选", ["是", "{hotline}"], UnfilledPlaceholder),
            ("请选", ["只有一个"], BadRequest),
            ("请选", ["是", "是"], BadRequest),
            ("请选", ["1", "2", "3", "4", "5"], BadRequest),
            ("请选", ["是", "长" * 41], TextTooLong),
        ],
    )
    def test_make_answer_refuses_invalid_content(
        self, cast: Cast, body: str, choices: list[str], refusal: type[Refusal]
    ) -> None:
        conversation = start_with(cast, cast.mei)
        with pytest.raises(refusal):
            make_answer(staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), body=body, choices=choices)

    def test_make_answer_accepts_braces_that_are_not_placeholders(self, cast: Cast) -> None:
        conversation = start_with(cast, cast.mei)
        post = make_answer(
            staff=cast.mei,
            uuid=conversation.uuid,
            client_id=uuid4(),
            body=" 见 {a: 1} {card_number} ",
            choices=[" 是  的 ", "", "不是"],
        )
        assert post.body == "见 {a: 1} {card_number}"
        assert post.payload == {"choices": ["是 的", "不是"]}
        assert post.agent is not None
        assert post.agent.number == "1001"
