"""Finding: what customers write and agents type, in Chinese and English, and what an index does as it changes."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from threading import Event, Thread

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.library import points
from knowledge.search import NOT_ANSWERED, Index, IndexEntry, embeddings
from knowledge.search.embeddings import vector_of, vectors_of
from knowledge.search.encoder_process import MANY, encode_in_process
from knowledge.search.scorers import AnswerWeights
from knowledge.search.tokenizer import bare, features_of, meanings_in, parts_of, plain
from knowledge.search.topic_filter import everyday_texts
from knowledge.search.typeahead import correct_typos
from tests.hostile.corpus import naughty, own

ENTRIES = [
    IndexEntry(1, "银行卡丢了怎么挂失？", ("卡找不到了咋办", "钱包被偷了"), "拨打客服热线口头挂失。"),
    IndexEntry(2, "取款机吞卡了怎么办？", ("机器把我卡吃了",), "请在三个工作日内到网点领取。"),
    IndexEntry(3, "定期存款提前支取有利息吗？", ("没到期想取出来",), "提前支取的部分按活期计息。"),
    IndexEntry(4, "How do I block a lost card?", ("lost my card", "my wallet was stolen"), "Call us.", "en"),
    IndexEntry(5, "What does a transfer cost?", ("fee for sending money",), "It is free online.", "en"),
]
INDEX = Index(ENTRIES, teach=True)


def ids(index: Index, text: str, **how: object) -> list[int]:
    return [hit.id for hit in index.find(text, **how)]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("我在菜市场买菜，钱包不见了，卡也在里面，现在该怎么挂失呀", 1),
        ("你好，我的卡被ATM吞了，急", 2),
        ("机器不退卡", 2),
        ("定期提前取 利息", 3),
        ("somebody stole my purse with the card in it", 4),
        ("what are the charges for sending money abroad", 5),
        ("ＬＯＳＴ　ＣＡＲＤ", 4),
        ("定期存款未到期，想提早攞返啲錢，利息點計", 3),
    ],
)
def test_a_customers_words_find_the_point_that_answers(text: str, wanted: int) -> None:
    assert ids(INDEX, text)[0] == wanted


def test_traditional_characters_are_words_as_the_simplified_ones() -> None:
    assert plain("帳戶轉帳 Ａpp 帐户") == "账户转账 app 账户"
    by_words = Index(ENTRIES)
    assert ids(by_words, "掛失")[0] == ids(by_words, "挂失")[0] == 1
    assert [hit.score for hit in INDEX.find("銀行卡遺失點樣掛失")] == [
        hit.score for hit in INDEX.find("银行卡遗失点样挂失")
    ]


@pytest.mark.parametrize(
    ("text", "asks"),
    [
        ("你好，请问一下定期怎么取？谢谢", "定期怎么取？"),
        ("Hello, please block my card, thank you very much", "block my card"),
        ("谢谢你们", "谢谢你们"),
        ("你好", "你好"),
        ("这个问题怎么解决", "这个问题怎么解决"),
        ("how many cards can I have", "how many cards can I have"),
    ],
)
def test_what_is_said_for_politeness_decides_nothing(text: str, asks: str) -> None:
    assert " ".join(bare(text).split()) == asks
    assert [hit.score for hit in INDEX.find(text)] == [hit.score for hit in INDEX.find(asks)]


def test_where_there_are_no_answers_they_say_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index([replace(entry, answer="") for entry in ENTRIES], teach=True)
    scores = [hit.score for hit in index.find("钱包丢了")]
    monkeypatch.setattr("knowledge.search.answer_weights.SAFE_WEIGHTS", AnswerWeights(0.0, 0.0))
    without = Index([replace(entry, answer="") for entry in ENTRIES], teach=True)
    assert [hit.score for hit in without.find("钱包丢了")] == scores


def test_what_is_asked_word_for_word_comes_first_and_names_what_matched() -> None:
    hit = INDEX.find("没到期想取出来")[0]
    assert (hit.id, hit.matched) == (3, "没到期想取出来")
    assert hit.confidence > NOT_ANSWERED


def test_a_story_around_the_question_does_not_hide_it() -> None:
    story = (
        "你好，打扰一下。我今天早上带孩子去医院看病，路上顺便去了趟你们楼下的自助银行，本来想取五百块钱，"
        "排了半天队，结果机器把我的卡吞进去不吐出来了，旁边也没有工作人员，我现在着急用钱，怎么办啊？谢谢"
    )
    assert ids(INDEX, story)[0] == 2


def test_of_a_long_message_the_sentence_that_asks_counts_and_courtesy_does_not() -> None:
    index = INDEX.with_changes(
        [IndexEntry(9, "你好", ("您好，在吗", "谢谢你啊")), IndexEntry(10, "几点开门？", ("周末上班吗",))]
    )
    story = (
        "你好，打扰一下。我昨天刚从外地出差回来，家里事情又多，一直没顾上。存的定期没到期，能先取出来吗，利息怎么算？"
        "我等了半天了。谢谢你啊！"
    )
    assert ids(index, story)[0] == 3
    assert ids(index, "你好")[0] == 9
    assert parts_of("你好。" * 20) == ["你好。" * 20]


def test_words_alone_find_until_meanings_are_learned() -> None:
    index = Index(ENTRIES)
    assert not index.is_taught_all
    assert ids(index, "我的卡找不到了")[0] == 1
    assert ids(index, "机器不退卡")[0] == 2


def test_the_other_language_is_understood() -> None:
    assert ids(INDEX, "Is there interest if I withdraw my fixed-term savings early?", limit=2)[0] == 3


def test_what_has_nothing_in_common_finds_nothing() -> None:
    assert Index(ENTRIES).find("qqq") == []
    assert INDEX.find("   ") == INDEX.find("？！") == []
    assert Index().find("卡丢了") == Index(teach=True).find("卡丢了") == Index().suggest("卡") == []


@pytest.mark.parametrize(
    "text", ["今天天气怎么样", "who won the match last night", "帮我写一首关于春天的诗", "哈哈哈哈"]
)
def test_what_no_point_answers_is_known_by_its_confidence(text: str) -> None:
    assert all(hit.confidence < NOT_ANSWERED for hit in INDEX.find(text))


@pytest.mark.parametrize("typed", ["挂失", "yhkd", "yinhangka", "银行卡丢", "卡找不到"])
def test_an_agent_finds_by_parts_by_pinyin_and_by_its_initials(typed: str) -> None:
    assert INDEX.suggest(typed)[0].id == 1


def test_only_what_is_kept_is_found_and_what_is_preferred_comes_before_its_like() -> None:
    assert 1 not in ids(INDEX, "卡丢了", keep=lambda pk: pk != 1)
    assert ids(INDEX, "卡", prefer=lambda pk: 5.0 if pk == 2 else 0.0)[0] == 2
    assert ids(INDEX, "card 卡", language="en")[0] == 4


@pytest.mark.parametrize(
    ("typed", "wanted"),
    [
        ("gua shi", 1),
        ("吞咔", 2),
        ("tunka", 2),
        ("trasnfer", 5),
        ("transfr cost", 5),
        ("wallet stolen", 4),
        ("zhiqu", 3),
    ],
)
def test_an_agent_finds_in_spite_of_slips_and_of_characters_that_sound_the_same(
    typed: str, wanted: int
) -> None:
    assert INDEX.suggest(typed)[0].id == wanted


def test_a_word_still_being_typed_is_no_slip() -> None:
    known = {"transfer", "card", "cost"}
    assert correct_typos("trans", known.copy) == "trans"
    assert correct_typos("transfre my crad", known.copy) == "transfer my card"
    assert correct_typos("挂失 qwxyz", known.copy) == "挂失 qwxyz"


def test_what_is_typed_names_the_phrasing_that_holds_it() -> None:
    hit = INDEX.suggest("钱包被偷")[0]
    assert (hit.id, hit.matched) == (1, "钱包被偷了")


def test_a_changed_entry_is_found_at_once_by_its_meaning_and_the_others_are_as_they_were() -> None:
    after = INDEX.with_changes([IndexEntry(6, "能用贝壳付款吗？")], drop=[2])
    assert ids(after, "海边捡的贝壳可以拿来买东西吗")[0] == 6
    assert 2 not in ids(after, "吞卡")
    assert after.is_taught_all
    assert ids(INDEX, "吞卡")[0] == 2, "what somebody is reading does not change"
    before, now = INDEX.find("钱包被偷了卡没了")[0], after.find("钱包被偷了卡没了")[0]
    assert (before.id, before.matched) == (now.id, now.matched)
    renamed = after.with_changes([IndexEntry(1, "宠物可以进网点吗？")])
    assert ids(renamed, "小狗可以一起带进来吗")[0] == 1
    assert renamed.find("卡找不到了咋办")[0].id != 1


def test_many_changes_at_once_are_found_by_words_until_they_are_learned() -> None:
    many = [IndexEntry(number, f"第{number}号产品的起存金额") for number in range(100, 170)]
    after = INDEX.with_changes(many)
    assert not after.is_taught_all
    assert ids(after, "第123号产品起存多少")[0] == 123
    assert ids(after, "钱包被偷了")[0] == 1
    assert after.taught().is_taught_all


def test_what_was_learned_meanwhile_is_taken_over_by_an_index_that_changed() -> None:
    begun = Index(ENTRIES)
    changed = begun.with_changes([IndexEntry(1, "宠物可以进网点吗？")], drop=[3])
    now = changed.with_knowledge_of(begun.taught())
    assert now.is_taught_all
    assert len(now) == 4
    assert ids(now, "小狗可以一起带进来吗")[0] == 1
    assert ids(now, "机器不退卡")[0] == 2


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "vectors.sqlite3"
    monkeypatch.setattr(embeddings, "_store", file)
    return file


def test_vectors_are_kept_and_worked_out_once(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [f"第{number}个问题" for number in range(MANY + 1)]
    apart = encode_in_process(texts)

    def never(texts: object) -> None:
        raise AssertionError(texts)

    monkeypatch.setattr(embeddings, "_encoded", never)
    kept = vectors_of(texts)
    assert (kept.steps == apart.steps).all()
    monkeypatch.undo()
    assert abs(kept.floats()[7] - vector_of(texts[7])).max() < 0.01, (
        "a quarter of the size costs next to nothing"
    )


def test_no_words_of_customers_are_kept(store: Path) -> None:
    index = Index(ENTRIES, teach=True)
    index.find("我的秘密是四十二")
    with closing(sqlite3.connect(store)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    # Texts and answers, and the questions that the subject is learned from, each of them once.
    texts = {text for entry in ENTRIES for text in (entry.title, *entry.phrasings, entry.answer)}
    assert count == len(texts.union(*everyday_texts()))
    assert "挂失".encode() not in store.read_bytes()


def test_synonyms_of_both_languages_have_a_meaning() -> None:
    assert "swallowed" in meanings_in("atm把卡吞了")
    assert "swallowed" in meanings_in("the machine ate my card")
    assert "lost" in meanings_in("i can’t find it")


def test_readers_are_not_disturbed_by_changes() -> None:
    index = [INDEX]
    failed: list[Exception] = []
    is_over = Event()

    def read() -> None:
        try:
            while not is_over.is_set():
                assert index[0].find("钱包被偷了")[0].id == 1
                index[0].suggest("挂失")
        except Exception as error:
            failed.append(error)

    readers = [Thread(target=read) for _ in range(3)]
    for reader in readers:
        reader.start()
    for number in range(10, 60):
        index[0] = index[0].with_changes([IndexEntry(number, f"新业务{number}怎么办理")], drop=[number - 5])
    is_over.set()
    for reader in readers:
        reader.join()
    assert failed == []


def test_no_text_is_too_strange() -> None:
    for text in own() + naughty():
        INDEX.find(text)
        INDEX.suggest(text)


@given(st.text(max_size=300))
def test_any_text_is_read(text: str) -> None:
    features_of(text)
    assert all(0 <= hit.confidence <= 1 for hit in INDEX.find(text))
    INDEX.suggest(text)


@pytest.mark.parametrize(("language", "first", "five"), [("zh", 0.58, 0.84), ("en", 0.36, 0.68)])
def test_the_demos_points_are_found_by_wordings_that_were_left_out(
    language: str, first: float, five: float
) -> None:
    """Above what words alone find (Chinese .56 and .82, English .29 and .63), below what was measured (.65 and .90, .43
    and .77)."""
    dice = Random(1)
    entries, queries = [], []
    described = [point for point in points() if point["language"] == language]
    for number, point in enumerate(described[:: len(described) // 75]):
        phrasings = list(point["phrasings"])
        dice.shuffle(phrasings)
        kept = len(phrasings) * 2 // 3
        entries.append(IndexEntry(number, point["title"], tuple(phrasings[:kept]), point["answer"], language))
        queries += [(text, number) for text in phrasings[kept:]]
    index = Index(entries, teach=True)
    found = [ids(index, text) for text, _ in queries]
    at_first = sum(hits[:1] == [wanted] for hits, (_, wanted) in zip(found, queries, strict=True))
    among_five = sum(wanted in hits for hits, (_, wanted) in zip(found, queries, strict=True))
    assert at_first / len(queries) > first
    assert among_five / len(queries) > five
