"""Tests of the folding of Chinese characters: all variants of a character become one form, character by character."""

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


def test_characters_fold_independently_of_their_neighbours() -> None:
    for text in ("乾燥", "乾坤", "皇后", "以後", "頭髮", "發票"):
        assert fold_variants(text) == "".join(map(fold_variants, text))


def test_characters_without_variants_stay_unchanged() -> None:
    assert fold_variants("Ａtm 123 🙂 カード 한글") == "Ａtm 123 🙂 カード 한글"


@given(st.text())
def test_folding_keeps_the_length_and_is_idempotent(text: str) -> None:
    folded = fold_variants(text)
    assert len(folded) == len(text)
    assert fold_variants(folded) == folded


@pytest.mark.parametrize("typed", ["账户", "帐户", "帳戶", "賬戶"])
def test_written_forms_contain_every_variant_of_a_word(typed: str) -> None:
    assert {"账户", "帐户", "帳戶", "賬戶"} <= set(written_forms(typed))
    assert written_forms("ＡＴＭ") == ["ＡＴＭ", "ATM"]
