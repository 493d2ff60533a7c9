"""Variant forms of Chinese characters fold alike, one by one."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.text.chinese_variants import fold_variants, written_forms


@pytest.mark.parametrize(
    "forms",
    [
        "帳账賬帐",
        "戶户戸",
        "裏裡里",
        "線线綫",
        "衞衛卫",
        "說说説",
        "發发髮",
        "後后",
        "麼么麽",
        "證证証",
        "複复復覆",
        "臺台",
        "羣群",
        "爲為为",
    ],
)
def test_variants_of_one_character_fold_to_one_form(forms: str) -> None:
    assert len({fold_variants(form) for form in forms}) == 1


def test_a_character_folds_alike_whatever_stands_beside_it() -> None:
    for text in ("乾燥", "乾坤", "皇后", "以後", "頭髮", "發票"):
        assert fold_variants(text) == "".join(map(fold_variants, text))


def test_other_characters_stay_as_they_are() -> None:
    assert fold_variants("Ａtm 123 🙂 カード 한글") == "Ａtm 123 🙂 カード 한글"


@given(st.text())
def test_a_folded_text_keeps_its_length_and_folds_to_itself(text: str) -> None:
    folded = fold_variants(text)
    assert len(folded) == len(text)
    assert fold_variants(folded) == folded


@pytest.mark.parametrize("typed", ["账户", "帐户", "帳戶", "賬戶"])
def test_a_word_is_looked_for_in_every_form_it_is_written_in(typed: str) -> None:
    assert {"账户", "帐户", "帳戶", "賬戶"} <= set(written_forms(typed))
    assert written_forms("ＡＴＭ") == ["ＡＴＭ", "ATM"]
