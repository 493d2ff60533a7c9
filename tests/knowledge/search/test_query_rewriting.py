"""Tests of query rewriting: messages in dialect or pinyin get the words that points use. Other texts stay unchanged."""

from __future__ import annotations

import pytest

from knowledge.search.query_rewriting import PinyinConverter, to_standard_words

CONVERTER = PinyinConverter(
    {
        "银行卡": 9,
        "还款": 5,
        "支行": 4,
        "怎么办": 9,
        "丢": 6,
        "丢了": 3,
        "我": 8,
        "的": 9,
        "绿卡": 1,
        "card": 9,
        "西安": 2,
        "密码": 5,
    }
)


@pytest.mark.parametrize(
    ("typed", "converted"),
    [
        ("wo de yinhangka diule zenmeban", "我的银行卡丢了怎么办"),
        ("wodeyinhangkadiulezenmeban", "我的银行卡丢了怎么办"),
        ("Yin Hang Ka", "银行卡"),
        ("yin2hang2ka3", "银行卡"),
        ("yínháng kǎ", "银行卡"),
        ("huankuan", "还款"),
        ("zhihang", "支行"),
        ("lüka mima", "绿卡密码"),
        ("lvka mima", "绿卡密码"),
        ("xi'an zhihang", "西安支行"),
        ("我的yinhangka，diule！", "我的银行卡，丢了！"),
    ],
)
def test_pinyin_of_known_words_is_converted_to_characters(typed: str, converted: str) -> None:
    assert CONVERTER.in_characters(typed) == converted


@pytest.mark.parametrize(
    "text",
    [
        "How can I change my card",
        "can he manage the balance",
        "ATM",
        "my PIN",
        "银行卡丢了",
        "",
        "ni hao ma",
        "x" * 300,
    ],
)
def test_text_that_is_not_pinyin_of_known_words_stays_unchanged(text: str) -> None:
    assert CONVERTER.in_characters(text) == text


@pytest.mark.parametrize(
    ("text", "standard"),
    [
        ("張卡唔見咗", "张卡不见了"),
        ("我嘅戶口點樣開", "我的账户怎么开"),
        ("卡落了，啷个挂失", "卡丢了，怎么挂失"),
        ("密码搞忘了咋个办", "密码忘记了怎么办"),
    ],
)
def test_dialect_words_become_standard_words(text: str, standard: str) -> None:
    assert to_standard_words(text) == standard


@pytest.mark.parametrize("text", ["户口迁移", "转人工", "返现", "我忙碌了一天", "How do I pay", "帳戶"])
def test_words_that_mandarin_also_uses_stay_unchanged(text: str) -> None:
    assert to_standard_words(text) == text
