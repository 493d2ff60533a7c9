"""Tests of the command `manage.py evaluate_search`: its figures, and its errors for files with mistakes."""

from __future__ import annotations

import json
from io import StringIO
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

POINTS = """id,title,phrasings,answer,language
a,银行卡丢了怎么挂失,卡找不到了|钱包被偷了,拨打热线,zh
b,取款机吞卡了怎么办,机器把卡吃了,到网点领取,zh
c,How do I block a lost card,lost my card|wallet stolen,Call us,en
"""
QUERIES = "text,id\n我的卡找不到了,a\n机器把我的卡吃了,b\nI lost my card,c\n？？,a\n"


def run(
    folder: Path, points: str = POINTS, queries: str = QUERIES, *options: str, encoding: str = "utf-8"
) -> str:
    (folder / "points.csv").write_text(points, encoding=encoding)
    (folder / "queries.csv").write_text(queries, encoding=encoding)
    out = StringIO()
    files = [f"--points={folder / 'points.csv'}", f"--queries={folder / 'queries.csv'}"]
    call_command("evaluate_search", *files, *options, stdout=out)
    return out.getvalue()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_evaluate_search_prints_its_figures_as_json_without_a_database(tmp_path: Path, encoding: str) -> None:
    figures = json.loads(run(tmp_path, POINTS, QUERIES, "--json", encoding=encoding))
    assert figures["hit@1"] == figures["hit@5"] == figures["mrr"] == 0.75
    assert (figures["points"], figures["queries"]) == (3, 4)
    assert 0 < figures["p50_ms"] <= figures["p95_ms"]
    assert figures["strange_shown"] is None


def test_evaluate_search_counts_questions_without_a_point_apart(tmp_path: Path) -> None:
    figures = json.loads(run(tmp_path, POINTS, QUERIES + "红烧肉怎么做,\n？,\n", "--json"))
    assert (figures["hit@1"], figures["shown"], figures["strange_shown"]) == (0.75, 0.75, 0.0)
    assert figures["queries"] == 6


def test_evaluate_search_prints_one_line_for_each_figure(tmp_path: Path) -> None:
    assert [line.split()[0] for line in run(tmp_path).splitlines()][:6] == [
        "hit@1", "hit@3", "hit@5", "mrr", "shown", "strange_shown",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("points", "queries", "message"),
    [
        ("id,phrasings\na,b\n", QUERIES, "no column title"),
        (POINTS + "a,再来一次,,,zh\n", QUERIES, "line 5: a occurs twice"),
        (POINTS + "d,,,,zh\n", QUERIES, "line 5: a point needs an id and a title"),
        (POINTS + "d,x,,,fr\n", QUERIES, "line 5: language 'fr'"),
        (POINTS + "d,x,y,z,zh,more\n", QUERIES, "line 5: more fields than columns"),
        (POINTS, "text,id\n卡,nowhere\n", "line 2: no point 'nowhere'"),
        (POINTS, "text,id\n", "no queries"),
        ("id,title\n", QUERIES, "no points"),
    ],
)
def test_evaluate_search_refuses_a_wrong_file_and_names_the_line(
    tmp_path: Path, points: str, queries: str, message: str
) -> None:
    with pytest.raises(CommandError, match=message):
        run(tmp_path, points, queries)


def test_evaluate_search_refuses_a_file_that_is_missing_or_not_text(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match="cannot be read"):
        run(tmp_path, encoding="utf-16")
    with pytest.raises(CommandError, match="cannot be read"):
        call_command("evaluate_search", points=tmp_path / "no.csv", queries=tmp_path / "no.csv")
