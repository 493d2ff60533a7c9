"""Tests of the search index: results for visitors' messages and agents' typed words, and changes to the index."""

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
from knowledge.search.encoder_process import MAX_TEXTS_IN_CALLER, encode_in_process
from knowledge.search.scorers import AnswerWeights
from knowledge.search.tokenizer import features_of, meanings_in, normalize, question_parts, without_courtesy
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
INDEX = Index(ENTRIES, train=True)


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
def test_find_ranks_the_point_that_answers_a_message_first(text: str, wanted: int) -> None:
    assert ids(INDEX, text)[0] == wanted


def test_find_treats_traditional_characters_like_simplified_ones() -> None:
    assert normalize("帳戶轉帳 Ａpp 帐户") == "账户转账 app 账户"
    by_words = Index(ENTRIES)
    assert ids(by_words, "掛失")[0] == ids(by_words, "挂失")[0] == 1
    assert [hit.score for hit in INDEX.find("銀行卡遺失點樣掛失")] == [
        hit.score for hit in INDEX.find("银行卡遗失点样挂失")
    ]


@pytest.mark.parametrize(
    ("text", "question"),
    [
        ("你好，请问一下定期怎么取？谢谢", "定期怎么取？"),
        ("Hello, please block my card, thank you very much", "block my card"),
        ("谢谢你们", "谢谢你们"),
        ("你好", "你好"),
        ("这个问题怎么解决", "这个问题怎么解决"),
        ("how many cards can I have", "how many cards can I have"),
    ],
)
def test_find_ignores_polite_phrases(text: str, question: str) -> None:
    assert " ".join(without_courtesy(text).split()) == question
    assert [hit.score for hit in INDEX.find(text)] == [hit.score for hit in INDEX.find(question)]


def test_find_without_answers_does_not_depend_on_their_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    index = Index([replace(entry, answer="") for entry in ENTRIES], train=True)
    scores = [hit.score for hit in index.find("钱包丢了")]
    monkeypatch.setattr("knowledge.search.answer_weights.SAFE_WEIGHTS", AnswerWeights(0.0, 0.0))
    without = Index([replace(entry, answer="") for entry in ENTRIES], train=True)
    assert [hit.score for hit in without.find("钱包丢了")] == scores


def test_find_ranks_an_equal_phrasing_first_and_returns_it_as_matched() -> None:
    hit = INDEX.find("没到期想取出来")[0]
    assert (hit.id, hit.matched) == (3, "没到期想取出来")
    assert hit.confidence > NOT_ANSWERED


def test_find_finds_a_question_inside_a_story() -> None:
    story = (
        "你好，打扰一下。我今天早上带孩子去医院看病，路上顺便去了趟你们楼下的自助银行，本来想取五百块钱，"
        "排了半天队，结果机器把我的卡吞进去不吐出来了，旁边也没有工作人员，我现在着急用钱，怎么办啊？谢谢"
    )
    assert ids(INDEX, story)[0] == 2


def test_find_weighs_the_asking_sentence_of_a_long_message_above_polite_ones() -> None:
    index = INDEX.with_changes(
        [IndexEntry(9, "你好", ("您好，在吗", "谢谢你啊")), IndexEntry(10, "几点开门？", ("周末上班吗",))]
    )
    story = (
        "你好，打扰一下。我昨天刚从外地出差回来，家里事情又多，一直没顾上。存的定期没到期，能先取出来吗，利息怎么算？"
        "我等了半天了。谢谢你啊！"
    )
    assert ids(index, story)[0] == 3
    assert ids(index, "你好")[0] == 9
    assert question_parts("你好。" * 20) == ["你好。" * 20]


def test_find_works_by_words_before_the_index_is_trained() -> None:
    index = Index(ENTRIES)
    assert not index.is_trained
    assert ids(index, "我的卡找不到了")[0] == 1
    assert ids(index, "机器不退卡")[0] == 2


def test_find_finds_a_point_in_the_other_language() -> None:
    assert ids(INDEX, "Is there interest if I withdraw my fixed-term savings early?", limit=2)[0] == 3


def test_find_without_any_common_word_or_entry_returns_nothing() -> None:
    assert Index(ENTRIES).find("qqq") == []
    assert INDEX.find("   ") == INDEX.find("？！") == []
    assert Index().find("卡丢了") == Index(train=True).find("卡丢了") == Index().suggest("卡") == []


@pytest.mark.parametrize(
    "text", ["今天天气怎么样", "who won the match last night", "帮我写一首关于春天的诗", "哈哈哈哈"]
)
def test_find_has_low_confidence_for_questions_that_no_point_answers(text: str) -> None:
    assert all(hit.confidence < NOT_ANSWERED for hit in INDEX.find(text))


@pytest.mark.parametrize("typed", ["挂失", "yhkd", "yinhangka", "银行卡丢", "卡找不到"])
def test_suggest_finds_by_parts_pinyin_and_initials(typed: str) -> None:
    assert INDEX.suggest(typed)[0].id == 1


def test_find_applies_keep_prefer_and_language() -> None:
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
def test_suggest_finds_despite_typos_and_characters_that_sound_the_same(typed: str, wanted: int) -> None:
    assert INDEX.suggest(typed)[0].id == wanted


def test_correct_typos_leaves_an_unfinished_word_alone() -> None:
    known = {"transfer", "card", "cost"}
    assert correct_typos("trans", known.copy) == "trans"
    assert correct_typos("transfre my crad", known.copy) == "transfer my card"
    assert correct_typos("挂失 qwxyz", known.copy) == "挂失 qwxyz"


def test_suggest_returns_the_phrasing_that_contains_the_text_as_matched() -> None:
    hit = INDEX.suggest("钱包被偷")[0]
    assert (hit.id, hit.matched) == (1, "钱包被偷了")


def test_with_changes_encodes_a_changed_entry_at_once_and_keeps_the_others() -> None:
    after = INDEX.with_changes([IndexEntry(6, "能用贝壳付款吗？")], drop=[2])
    assert ids(after, "海边捡的贝壳可以拿来买东西吗")[0] == 6
    assert 2 not in ids(after, "吞卡")
    assert after.is_trained
    assert ids(INDEX, "吞卡")[0] == 2, "an index that somebody is reading never changes"
    before, now = INDEX.find("钱包被偷了卡没了")[0], after.find("钱包被偷了卡没了")[0]
    assert (before.id, before.matched) == (now.id, now.matched)
    renamed = after.with_changes([IndexEntry(1, "宠物可以进网点吗？")])
    assert ids(renamed, "小狗可以一起带进来吗")[0] == 1
    assert renamed.find("卡找不到了咋办")[0].id != 1


def test_with_changes_finds_many_new_entries_by_words_until_training() -> None:
    many = [IndexEntry(number, f"第{number}号产品的起存金额") for number in range(100, 170)]
    after = INDEX.with_changes(many)
    assert not after.is_trained
    assert ids(after, "第123号产品起存多少")[0] == 123
    assert ids(after, "钱包被偷了")[0] == 1
    assert after.trained().is_trained


def test_with_models_of_takes_over_models_trained_before_a_change() -> None:
    before = Index(ENTRIES)
    changed = before.with_changes([IndexEntry(1, "宠物可以进网点吗？")], drop=[3])
    now = changed.with_models_of(before.trained())
    assert now.is_trained
    assert len(now) == 4
    assert ids(now, "小狗可以一起带进来吗")[0] == 1
    assert ids(now, "机器不退卡")[0] == 2


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    file = tmp_path / "vectors.sqlite3"
    monkeypatch.setattr(embeddings, "_store", file)
    return file


def test_vectors_of_reads_stored_vectors_and_encodes_once(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    texts = [f"第{number}个问题" for number in range(MAX_TEXTS_IN_CALLER + 1)]
    encoded = encode_in_process(texts)

    def never(texts: object) -> None:
        raise AssertionError(texts)

    monkeypatch.setattr(embeddings, "_encode", never)
    stored = vectors_of(texts)
    assert (stored.steps == encoded.steps).all()
    monkeypatch.undo()
    assert abs(stored.floats()[7] - vector_of(texts[7])).max() < 0.01, (
        "quantising to 8 bits costs almost no precision"
    )


def test_vector_store_has_no_vectors_of_visitors_questions(store: Path) -> None:
    index = Index(ENTRIES, train=True)
    index.find("我的秘密是四十二")
    with closing(sqlite3.connect(store)) as connection:
        (count,) = connection.execute("SELECT count(*) FROM vectors").fetchone()
    # The store must have one vector for each of these texts: titles, phrasings, answers, and the questions for training
    # the topic filter.
    texts = {text for entry in ENTRIES for text in (entry.title, *entry.phrasings, entry.answer)}
    assert count == len(texts.union(*everyday_texts()))
    assert "挂失".encode() not in store.read_bytes()


def test_meanings_in_finds_english_synonyms() -> None:
    assert "swallowed" in meanings_in("the machine ate my card")
    assert "lost" in meanings_in("i can’t find it")


def test_index_is_read_safely_while_other_threads_change_it() -> None:
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


def test_find_and_suggest_accept_hostile_texts() -> None:
    for text in own() + naughty():
        INDEX.find(text)
        INDEX.suggest(text)


@given(st.text(max_size=300))
def test_find_and_suggest_accept_any_text(text: str) -> None:
    features_of(text)
    assert all(0 <= hit.confidence <= 1 for hit in INDEX.find(text))
    INDEX.suggest(text)


@pytest.mark.parametrize(("language", "first", "five"), [("zh", 0.58, 0.84), ("en", 0.36, 0.68)])
def test_find_ranks_demo_points_well_for_held_out_phrasings(language: str, first: float, five: float) -> None:
    """Check how often the right point is first, and among the first five, for phrasings that the index has not seen.

    The measured rates are .65 and .90 for Chinese, and .43 and .77 for English. The required rates are a little lower,
    but higher than those of a search by words alone (.56 and .82, .29 and .63).
    """
    random = Random(1)
    entries, queries = [], []
    points_of_language = [point for point in points() if point["language"] == language]
    for number, point in enumerate(points_of_language[:: len(points_of_language) // 75]):
        phrasings = list(point["phrasings"])
        random.shuffle(phrasings)
        kept = len(phrasings) * 2 // 3
        entries.append(IndexEntry(number, point["title"], tuple(phrasings[:kept]), point["answer"], language))
        queries += [(text, number) for text in phrasings[kept:]]
    index = Index(entries, train=True)
    results = [ids(index, text) for text, _ in queries]
    at_first = sum(hits[:1] == [wanted] for hits, (_, wanted) in zip(results, queries, strict=True))
    among_five = sum(wanted in hits for hits, (_, wanted) in zip(results, queries, strict=True))
    assert at_first / len(queries) > first
    assert among_five / len(queries) > five
