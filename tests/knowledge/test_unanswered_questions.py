"""Tests of unanswered questions: which messages are recorded, when they are removed, and the masking of their texts."""

from __future__ import annotations

import pytest

from chat.models import Conversation
from knowledge import suggestions, unanswered_questions
from knowledge.actions import point_use
from knowledge.actions.branches import category_at
from knowledge.actions.imports import PointToImport, import_points
from knowledge.content import Content
from knowledge.customer_question import question_in
from knowledge.models import Point, UnansweredQuestion, UnansweredQuestionExample
from knowledge.question_detection import asks_for_a_point
from privacy.masking import mask
from tests.people import Cast, say, start_with


@pytest.mark.parametrize(
    "text",
    [
        "周日开门吗",
        "你们银行卖不卖演唱会门票",
        "您好，请问备用金是什么",
        "我开小超市的 用你们收款码两年了 能不能贷点款进货",
        "想開個戶口收租金",
        "有没有什么办法能把支付管住",
        "can a foreigner get a mortgage with you?",
        "hello, I am a new student, want a bank account",
        "how to set the app in english",
    ],
)
def test_asks_for_a_point_accepts_questions_that_many_may_ask(text: str) -> None:
    assert asks_for_a_point(text)


@pytest.mark.parametrize(
    "text",
    [
        "在吗",
        "谢谢你们 真的谢谢",
        "好的 选纸质",
        "机器打开了！卡拿到了！",
        "还要多久",
        "那今天去人多不多 要不要排很久",
        "你咋知道的",
        "你们凭什么扣我50块！！",
        "我当了一辈子会计 我咋这么糊涂",
        "已经拿胶布粘了几张",
        "thank you so much",
        "yes, Riverside? the one by the park",
        "will you remember all this?",
        "is that ok",
        "scan worked",
    ],
)
def test_asks_for_a_point_rejects_thanks_stories_and_follow_ups(text: str) -> None:
    assert not asks_for_a_point(text)


@pytest.mark.parametrize(
    ("text", "masked"),
    [
        ("我叫王小明，卡丢了", "我叫#，卡丢了"),
        ("我妈叫李桂芳能代办吗", "我妈叫#能代办吗"),
        ("我是李娟，怎么挂失", "我是#，怎么挂失"),
        ("本人姓名：张伟 想销户", "本人姓名：# 想销户"),
        ("转给王小明5万被拦了", "转给#5万被拦了"),
        ("高先生说欧阳娜娜女士也行", "#先生说#女士也行"),
        ("I am John Smith and lost my card", "I am # and lost my card"),
        ("my name is maria lopez", "my name is #"),
        ("身份证11010519491231002X", "身份证#"),
        ("卡号６２２２ 0211-1111 1111 111", "卡号#"),
        ("手机号一三八零零零零五一五一收不到", "手机号#收不到"),
        ("打我139\u200b0013\u200b0011", "打我#"),
        ("邮箱是wang.x@example.com，发了吗", "邮箱是#，发了吗"),
        ("微信号abc_123", "微信号#"),
        ("密码是abc12，cvv 123", "密码是#，cvv #"),
        ("我住人民路12号3栋2单元501室", "我住人民路#号#栋#单元#室"),
        ("I live at 12 Baker Street, flat 5b", "I live at # Baker Street, flat #"),
    ],
)
def test_mask_hides_numbers_names_and_addresses(text: str, masked: str) -> None:
    assert mask(text) == masked


@pytest.mark.parametrize(
    "text",
    [
        "我是老客户，每月10号还款，能改到20号吗",
        "我叫你们经理来",
        "他叫我转钱给支付宝为什么失败",
        "转给别人会不会到不了账？",
        "96110打来要接吗，95588呢",
        "江苏银行的卡能在你们这取吗",
        "I'm locked out, how do I reset the PIN?",
        "my name is spelled wrong",
        "I AM MISSING CASH",
        "一年三年五年的定期利率",
    ],
)
def test_mask_leaves_a_question_without_personal_data_unchanged(text: str) -> None:
    assert mask(text) == text


@pytest.fixture
def conversation(cast: Cast) -> Conversation:
    content = Content(
        title="一年定期利率是多少？",
        answer="一年定期年利率 1.35%。",
        note="",
        category=category_at("存款"),
        department=cast.cards,
    )
    import_points(by=None, given=[PointToImport("rate", "zh", content, ["存一年多少利息"])])
    return start_with(cast, cast.mei)


def record_last_question(conversation: Conversation) -> None:
    """Record the visitor's last question if no point answers it, in the same way as the console's request for
    suggestions."""
    question, seq = question_in(conversation)
    unanswered_questions.record_question(conversation, seq, suggestions.suggest_for(question, language="zh"))


pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def test_small_talk_is_not_recorded_and_a_question_is_recorded_masked(conversation: Conversation) -> None:
    for text in ("哈哈 那家面我吃过", "我叫王小明，周日开门吗"):
        say(conversation, text)
        record_last_question(conversation)
        record_last_question(conversation)
    assert [question.text for question in UnansweredQuestion.objects.all()] == ["我叫#，周日开门吗"]
    assert UnansweredQuestionExample.objects.get().text == "我叫#，周日开门吗"


def test_question_hidden_by_a_story_is_searched_alone(conversation: Conversation) -> None:
    say(conversation, "刚下夜班 ICU的 困死 外面还在下雨 孩子又发烧 婆婆打电话来催我回去做饭")
    say(conversation, "存一年多少利息")
    unanswered_questions.record_question(conversation, question_in(conversation)[1], [])
    assert not UnansweredQuestion.objects.exists()


def answer(cast: Cast, conversation: Conversation) -> None:
    version = Point.objects.select_related("published").get(key="rate").published
    assert version is not None
    seq = say(conversation, "一年定期年利率 1.35%。", by=cast.mei).seq
    point_use.record_use(
        by=cast.mei, version=version, conversation=conversation, seq=seq, question="", is_edited=False
    )


def test_question_answered_with_a_point_later_is_removed_and_not_recorded_again(
    cast: Cast, conversation: Conversation
) -> None:
    other = start_with(cast, cast.mei)
    say(conversation, "你们银行卖不卖演唱会门票")
    record_last_question(conversation)
    say(other, "你们银行卖演唱会门票吗")
    record_last_question(other)
    question = UnansweredQuestion.objects.get()
    assert question.count == 2
    say(other, "请您稍等", by=cast.mei)
    answer(cast, other)
    question.refresh_from_db()
    assert question.count == 1
    assert [example.conversation_id for example in question.questions.all()] == [conversation.pk]
    answer(cast, conversation)
    assert not UnansweredQuestion.objects.exists()
    record_last_question(conversation)
    assert not UnansweredQuestion.objects.exists()


def test_question_asked_long_before_the_answer_stays_recorded(cast: Cast, conversation: Conversation) -> None:
    say(conversation, "你们银行卖不卖演唱会门票")
    record_last_question(conversation)
    for number in range(point_use.ANSWERED_WITHIN):
        say(conversation, f"第{number}件事")
    answer(cast, conversation)
    assert UnansweredQuestion.objects.get().count == 1
