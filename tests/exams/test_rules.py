"""Tests of the exam rules, without a database: generation of questions, selection for papers, marking of answers."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from demo.library import points
from exams.rules.drawing import MAX_SHARED, Candidate, draw, shuffled_options, weight_of
from exams.rules.marking import FULL, credit_of, is_answer, percent_of
from exams.rules.question_generation import (
    ProposedQuestion,
    SourcePoint,
    facts_of,
    is_similar,
    propose,
    steps_of,
)

LOST = SourcePoint(
    1,
    3,
    "卡丢了怎么挂失？",
    "请按顺序办：\n1. 打开手机银行，点“卡片”。\n2. 选“挂失”，刷脸确认。\n3. 7 天内带身份证到网点补卡，工本费 10 元。",
    "zh",
)
SIBLINGS = [
    SourcePoint(2, 1, "吞卡怎么取回？", "吞卡后请在 15 天内带身份证到所属网点领取。", "zh"),
    SourcePoint(3, 1, "卡片激活", "新卡可在手机银行激活，也可在柜员机上改初始密码。", "zh"),
    SourcePoint(4, 1, "换卡收费吗？", "到期换卡免费，加急寄送收费 25 元。", "zh"),
    SourcePoint(5, 1, "小额免密", "单笔 1000 元以下免密，每日累计不超过 3 笔。", "zh"),
]


def of_kind(
    kind: str, source: SourcePoint = LOST, siblings: list[SourcePoint] | None = None
) -> ProposedQuestion:
    return {
        question.kind: question for question in propose(source, SIBLINGS if siblings is None else siblings)
    }[kind]


# -- Generation -------------------------------------------------------------------------------------------------


def test_propose_makes_a_question_of_every_kind_from_steps_and_figures() -> None:
    found = propose(LOST, SIBLINGS)
    assert [question.kind for question in found] == ["single", "multiple", "true_false", "fill_in", "order"]
    assert {(question.point, question.version) for question in found} == {(1, 3)}
    assert found == propose(LOST, list(reversed(SIBLINGS))) or len(found) == 5
    assert propose(LOST, SIBLINGS) == found


def test_a_single_choice_has_one_sentence_of_the_point_and_wrong_ones_of_siblings() -> None:
    single = of_kind("single")
    own = facts_of(LOST.answer)
    assert [option in own for option in single.options] == [True, False, False, False]
    assert single.answer == [0]


def test_a_sibling_sentence_similar_to_the_point_is_no_wrong_option() -> None:
    same = SourcePoint(9, 1, "补卡", "7天内带上身份证到网点补卡，工本费10元。", "zh")
    assert is_similar(same.answer, facts_of(LOST.answer)[-1])
    for question in propose(LOST, [same, *SIBLINGS]):
        wrong = [option for index, option in enumerate(question.options) if index not in question.answer]
        assert same.answer not in wrong
        assert same.answer.rstrip("。") not in wrong


def test_a_false_statement_changes_one_figure_of_the_point() -> None:
    said = {
        question.answer[0]: question.stem
        for seed in range(30)
        for question in propose(LOST, SIBLINGS, seed)
        if question.kind == "true_false"
    }
    assert set(said) == {0, 1}
    assert any(said[1].endswith(fact) for fact in facts_of(LOST.answer))
    assert not any(said[0].endswith(fact) for fact in facts_of(LOST.answer))


def test_the_gap_replaces_the_figure_and_keeps_its_unit() -> None:
    gap = of_kind("fill_in")
    assert gap.stem.count("____") == 1
    assert any(unit in gap.stem.split("____")[1] for unit in ("天", "元"))
    assert gap.answer[0] in LOST.answer
    assert gap.answer[0] not in gap.stem.split("：", 1)[1]


def test_questions_about_english_points_are_english_and_use_only_english_siblings() -> None:
    lost = SourcePoint(
        7, 1, "How do I report a lost card?", "Call 95000 at once. A new card takes 5 working days.", "en"
    )
    found = propose(lost, SIBLINGS)
    assert {question.kind for question in found} == {"true_false", "fill_in"}
    assert all(question.stem.startswith("“How do I report a lost card?”") for question in found)


@pytest.mark.parametrize(
    ("answer", "are_steps"),
    [
        ("请按这个顺序：\n1. 打 110。\n2. 停卡。\n3. 改密码。", True),
        ("1. 先停卡。\n2. 打 110。\n3. 然后到网点补卡。", True),
        ("First things first:\n1. First stop the card.\n2. Call 110.\n3. Then come to a branch.", True),
        ("1. 打开手机银行。\n2. 选“挂失”。\n3. 刷脸确认。", True),
        ("1. Open Card.\n2. Choose the card.\n3. Confirm with your face.", True),
        # These are lists of cases, ways or figures, whose order does not matter, so they are not steps.
        ("1. 普卡：免年费。\n2. 金卡：刷满 6 次免。\n3. 白金卡：刷满 18 次免。", False),
        ("1. 手机银行办，马上生效。\n2. 打电话办。\n3. 带身份证到网点办。", False),
        ("1. 先看状态。\n2. 已解除的再停一次。\n3. 回不来的可以冻结。", False),
        (
            "1. Within the city: 3 days.\n2. To other provinces: 5 to 7.\n3. We don't post cards abroad.",
            False,
        ),
        ("请按顺序：\n1. 停卡。\n2. 补卡。", False),
    ],
)
def test_steps_of_returns_only_numbered_lines_whose_order_matters(answer: str, are_steps: bool) -> None:
    assert bool(steps_of(answer)) == are_steps


def test_few_numbered_answers_of_the_demo_are_steps() -> None:
    numbered = {point["key"] for point in points() if "\n3. " in point["answer"]}
    steps = {point["key"] for point in points() if steps_of(point["answer"])}
    assert len(numbered) > 150
    assert steps == {
        *("en-card-linking", "en-exchange-in-app", "en-phone-lost", "en-pin-change", "fraud-code-told"),
        *("loan-not-mine", "mb-login-fail", "mb-phone-lost", "ob-browser", "ukey-not-recognised"),
    }


@given(st.text(max_size=300), st.lists(st.text(max_size=120), max_size=6))
def test_propose_accepts_any_text_and_right_answers_are_among_the_options(
    answer: str, others: list[str]
) -> None:
    beside = [SourcePoint(index, 1, "别的", text, "zh") for index, text in enumerate(others, start=2)]
    for question in propose(SourcePoint(1, 1, "怎么办理？", answer, "zh"), beside):
        assert len(set(question.options)) == len(question.options)
        if question.kind in ("single", "multiple"):
            assert 0 < len(question.answer) < len(question.options)


# -- Drawing ----------------------------------------------------------------------------------------------------


def pool(points: int, per_point: int = 1, shares: int = 1) -> list[Candidate]:
    return [
        Candidate(point * per_point + number, point, point % shares)
        for point in range(points)
        for number in range(per_point)
    ]


def test_equal_seeds_draw_equal_papers_and_others_do_not() -> None:
    candidates = pool(100)
    papers = [draw(candidates, count=20, shares={0: 1}, seed=seed) for seed in (1, 1, 2)]
    assert papers[0] == papers[1]
    assert papers[0] != papers[2]
    assert draw(list(reversed(candidates)), count=20, shares={0: 1}, seed=1) == papers[0]


@given(
    st.integers(1, 40), st.integers(1, 3), st.integers(1, 30), st.lists(st.integers(1, 9), min_size=1, max_size=4),
    st.integers(0, 2**62),
)  # fmt: skip
def test_a_paper_is_complete_if_points_suffice_and_has_one_question_per_point(
    points: int, per_point: int, count: int, weights: list[int], seed: int
) -> None:
    candidates = pool(points, per_point, len(weights))
    paper = draw(candidates, count=count, shares=dict(enumerate(weights)), seed=seed)
    assert len(paper) == min(count, points)
    assert len({question // per_point for question in paper}) == len(paper)


@given(st.integers(0, 2**62), st.lists(st.integers(1, 9), min_size=2, max_size=4))
def test_shares_are_met_to_within_one_question(seed: int, weights: list[int]) -> None:
    shares = dict(enumerate(weights))
    paper = draw(pool(200, 1, len(weights)), count=20, shares=shares, seed=seed)
    for share, weight in shares.items():
        drawn = sum(question % len(weights) == share for question in paper)
        assert abs(drawn - 20 * weight / sum(weights)) < 1


def test_questions_outside_all_shares_are_not_drawn() -> None:
    paper = draw(pool(40, 1, 2), count=30, shares={0: 1}, seed=5)
    assert len(paper) == 20
    assert {question % 2 for question in paper} == {0}


@given(st.integers(0, 2**62))
def test_neighbouring_papers_share_at_most_half(seed: int) -> None:
    papers: list[list[int]] = []
    for number in range(8):
        beside = [set(paper) for paper in papers]
        papers.append(draw(pool(90), count=20, shares={0: 1}, seed=seed + number, neighbours=beside))
    for one, other in combinations(papers, 2):
        assert len({*one} & {*other}) <= 20 * MAX_SHARED


def test_a_paper_is_complete_with_few_questions_and_prefers_those_on_fewest_papers() -> None:
    first = draw(pool(20), count=15, shares={0: 1}, seed=1)
    second = draw(pool(20), count=15, shares={0: 1}, seed=2, neighbours=[set(first)])
    assert len(second) == 15
    assert {*range(20)} - {*first} <= {*second}


def test_changed_and_often_missed_questions_are_drawn_more_often() -> None:
    assert weight_of(is_changed=True, asked=0, missed=0, uses=0) > weight_of(
        is_changed=False, asked=0, missed=0, uses=0
    )
    often = weight_of(is_changed=False, asked=20, missed=18, uses=0)
    seldom = weight_of(is_changed=False, asked=20, missed=1, uses=0)
    assert often > seldom
    assert weight_of(is_changed=False, asked=0, missed=0, uses=100) > weight_of(
        is_changed=False, asked=0, missed=0, uses=0
    )
    heavy = Candidate(0, 0, 0, often)
    others = [Candidate(n, n, 0, seldom) for n in range(1, 60)]
    drawn = [0 in draw([heavy, *others], count=10, shares={0: 1}, seed=seed) for seed in range(300)]
    assert sum(drawn) > 300 * 10 / 60 * 1.4


@given(st.lists(st.text(min_size=1), min_size=3, max_size=8, unique=True), st.integers(0, 2**62))
def test_the_right_answer_stays_right_in_any_order_of_the_options(options: list[str], seed: int) -> None:
    shown, right = shuffled_options("multiple", options, [0, 2], seed)
    assert {shown[index] for index in right} == {options[0], options[2]}
    steps, order = shuffled_options("order", options, list(range(len(options))), seed)
    assert [steps[index] for index in order] == options
    assert steps != options


# -- Marking ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "right", "given", "credit"),
    [
        ("single", [2], [2], 100),
        ("single", [2], [1], 0),
        ("single", [2], [1, 2], 0),
        ("single", [2], None, 0),
        ("true_false", [0], [0], 100),
        ("true_false", [0], [1], 0),
        ("multiple", [0, 2], [2, 0], 100),
        ("multiple", [0, 2], [0], 50),
        ("multiple", [0, 2], [0, 1], 0),
        ("multiple", [0, 2], [0, 1, 2], 50),
        ("multiple", [0, 2], [0, 1, 2, 3], 0),
        ("fill_in", ["1,000", "1000"], [" １０００ "], 100),
        ("fill_in", ["两"], ["2"], 100),
        ("fill_in", ["APP"], ["app。"], 100),
        ("fill_in", ["1"], [""], 0),
        ("order", [2, 0, 1], [2, 0, 1], 100),
        ("order", [3, 0, 1, 2], [0, 1, 2, 3], 67),
        ("order", [2, 0, 1], [1, 0, 2], 0),
        ("order", [2, 0, 1], [2, 0], 0),
    ],
)
def test_credit_of_marks_an_answer_by_its_kind(kind: str, right: list[Any], given: Any, credit: int) -> None:
    assert credit_of(kind, right, given) == credit


def test_a_decimal_number_is_accepted_in_different_spellings() -> None:
    assert credit_of("fill_in", ["1.5"], ["15"]) == 0
    assert credit_of("fill_in", ["1.5"], ["１．５"]) == FULL
    # A percent sign changes the number, unless the sign follows the gap in the question.
    assert credit_of("fill_in", ["1.5"], ["1.5%"]) == 0
    assert credit_of("fill_in", ["1.5"], ["1.5%"], stem="年利率是____%。") == FULL


LISTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(st.sampled_from(["single", "multiple", "true_false", "fill_in", "order"]), LISTS)
def test_credit_of_accepts_any_json_value(kind: str, given: Any) -> None:
    right: list[Any] = ["一"] if kind == "fill_in" else [0]
    credit = credit_of(kind, right, given)
    assert 0 <= credit <= FULL
    assert credit == 0 or is_answer(kind, given)


def test_percent_of_never_rounds_up_to_a_pass() -> None:
    assert percent_of([100, 100, 99]) == 99
    assert percent_of([100, 59]) == 79
    assert percent_of([]) == 0
