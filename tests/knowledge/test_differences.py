"""Tests of differences between two texts: correct for every pair, readable in Chinese, and computed in limited time."""

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from knowledge.differences import MAX_CHARACTERS, Piece, differences
from knowledge.import_export.points import PointTable
from knowledge.import_export.preview import FileRow, Preview

TEXTS = st.text(
    st.one_of(st.sampled_from("的一是不了年利率1.35%ab \n"), st.characters(codec="utf-8")), max_size=60
)
PRIVATE_USE = "".join(map(chr, range(0xF0000, 0xF0010)))


def assert_rejoined(pieces: list[Piece], old: str, new: str) -> None:
    assert "".join(piece.text for piece in pieces if piece.kind != "added") == old
    assert "".join(piece.text for piece in pieces if piece.kind != "removed") == new
    assert all(piece.text for piece in pieces)


@given(old=TEXTS, new=TEXTS)
def test_pieces_of_any_two_texts_rejoin_to_both(old: str, new: str) -> None:
    assert_rejoined(differences(old, new), old, new)


def test_words_are_kept_apart_from_private_use_characters_of_the_text() -> None:
    old, new = f"{PRIVATE_USE} alpha 12", f"alpha {PRIVATE_USE} beta 12.5"
    assert_rejoined(differences(old, new), old, new)


def test_worst_pair_of_two_thousand_characters_is_compared_within_its_seconds() -> None:
    source = random.Random(7)
    old, new = ("".join(source.choices("的一是不了", k=2000)) for _ in range(2))
    pieces = differences(old, new, seconds=0.01)
    assert_rejoined(pieces, old, new)
    # A complete comparison would have hundreds of pieces and take minutes.
    assert len(pieces) < 10


@pytest.mark.parametrize("old", ["的" * (MAX_CHARACTERS + 1), ""])
def test_text_too_long_to_compare_is_shown_as_one_change(old: str) -> None:
    new = "了" * (MAX_CHARACTERS + 1)
    assert differences(old, new) == [Piece("removed", old)] * bool(old) + [Piece("added", new)]


def test_rewritten_chinese_sentence_is_shown_in_readable_pieces() -> None:
    old = "请本人带身份证到网点办理挂失，手续费10元。"
    new = "请您本人携带有效身份证件到任意网点办理挂失，免手续费。"
    pieces = differences(old, new)
    assert ("removed", "10元") in pieces
    assert ("same", "网点办理挂失，") in pieces
    assert len(pieces) <= 12


def test_import_preview_compares_only_the_rows_that_it_lists() -> None:
    preview, table = Preview(), PointTable()
    assert table.changes(preview, {"title": "旧"}, {"title": "新"})[0][1]
    preview.changed = [FileRow(number, "key", "title") for number in range(Preview.SHOWN)]
    assert [pieces for _name, pieces in table.changes(preview, {"title": "旧"}, {"title": "新"})] == [[]]


def test_import_preview_out_of_time_shows_old_and_new_whole() -> None:
    table = PointTable()
    table._seconds = 0
    pieces = table.changes(Preview(), {"title": "旧词"}, {"title": "新词"})[0][1]
    assert pieces == [("removed", "旧词"), ("added", "新词")]
