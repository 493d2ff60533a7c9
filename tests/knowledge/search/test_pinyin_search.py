"""Tests of the search for titles by pinyin: all readings of a character, incomplete syllables, initials, similar
sounds."""

from __future__ import annotations

import pytest

from core.text.pinyin import readings_of, without_tones
from knowledge.search import Index, IndexEntry

TITLES = [
    "信用卡怎么还款？",
    "朝阳支行几点开门？",
    "重置网银密码",
    "绿卡客户如何办理？",
    "西安分行在哪里",
    "查询ATM吞卡",
    "限额调整",
    "个人征信报告",
    "女儿的账户谁管",
    "策略产品说明",
]
INDEX = Index([IndexEntry(number, title) for number, title in enumerate(TITLES)])


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("huankuan", 0),
        ("HuanKuan", 0),
        ("huan kuan", 0),
        ("huank", 0),
        ("zenmehuank", 0),
        ("huán kuǎn", 0),
        ("huan2kuan3", 0),
        ("ｈｕａｎｋｕａｎ", 0),
        ("还kuan", 0),
        ("huan款", 0),
        ("還kuan", 0),
        ("换款", 0),
        ("xyk", 0),
        ("hk", 0),
        ("zhihang", 1),
        ("zhi hang", 1),
        ("chaoyangzhihang", 1),
        ("cyzh", 1),
        ("chongzhi", 2),
        ("czwy", 2),
        ("lvka", 3),
        ("lüka", 3),
        ("lǜkǎ", 3),
        ("luka", 3),
        ("lk", 3),
        ("xi'an", 4),
        ("xi’an fenhang", 4),
        ("xianfenhang", 4),
        ("chaxunatm", 5),
        ("cxatm", 5),
        ("ATM tunka", 5),
        ("tiaozheng", 6),
        ("tiaozhen", 6),
        ("diaozheng", 6),
        ("zengxin", 7),
        ("zhengxing", 7),
        ("nver", 8),
        ("nüer", 8),
        ("nuer", 8),
        ("celve", 9),
        ("celüe", 9),
        ("celue", 9),
    ],
)
def test_suggest_finds_a_title_by_its_sound(typed: str, wanted: int) -> None:
    assert INDEX.suggest(typed)[0].id == wanted


@pytest.mark.parametrize("typed", ["huan", "hang", "a", "zzz", "huankuanx", "'", "ng"])
def test_suggest_accepts_a_spelling_that_no_title_has(typed: str) -> None:
    assert len(INDEX.suggest(typed)) <= len(TITLES)


def test_suggest_never_matches_a_spelling_across_two_titles() -> None:
    index = Index([IndexEntry(1, "开户还"), IndexEntry(2, "款项")])
    assert index.suggest("huankuan") == []
    assert index.suggest("还款") == [] or all(hit.score < 3 for hit in index.suggest("还款"))


def test_readings_of_has_every_syllable_and_the_spellings_of_u_umlaut() -> None:
    assert {"hai", "huan"} <= set(readings_of("还"))
    assert {"xing", "hang"} <= set(readings_of("行"))
    assert {"lv", "lu", "lyu"} <= set(readings_of("绿"))
    assert readings_of("a") == ("a",)


def test_without_tones_removes_tones_and_apostrophes() -> None:
    assert without_tones("XĪ'ĀN nǚ lüè qù jü") == "xian nv lve qu ju"
