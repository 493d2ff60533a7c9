"""The `evaluate_search` command: measures the quality of the search with points and queries from two files.

It uses no database.
"""

import csv
import json
from argparse import ArgumentParser
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import quantiles
from time import perf_counter
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from knowledge.search import NOT_ANSWERED, Index, IndexEntry

POINT_COLUMNS = ("id", "title", "phrasings", "answer", "language")
QUERY_COLUMNS = ("text", "id")
LANGUAGES = ("zh", "en")
RANKS = 10


@dataclass(frozen=True)
class Figures:
    """The measurements of one run.

    `shown` is the share of answerable queries whose first result is confident enough for the widget. `strange_shown` is
    the same share for the queries that no point answers, or None if there are no such queries.
    """

    hit_at_1: float
    hit_at_3: float
    hit_at_5: float
    mrr: float
    shown: float
    strange_shown: float | None
    p50_ms: float
    p95_ms: float
    points: int
    queries: int
    build_seconds: float


class Command(BaseCommand):
    help = (
        "Builds an index of the points in a CSV file, runs every query of another file, and prints hit@1, hit@3,"
        " hit@5, MRR (of the first ten results), the share of queries with a first result confident enough to be"
        " shown, and the time of a search. Reads and writes no database."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--points",
            type=Path,
            required=True,
            help="CSV: id, title, phrasings (separated by |), answer, language",
        )
        parser.add_argument(
            "--queries",
            type=Path,
            required=True,
            help="CSV: text, id of the point that answers it; an empty id means that no point answers it",
        )
        parser.add_argument("--json", action="store_true", help="print only the figures, as JSON")

    def handle(self, *args: Any, points: Path, queries: Path, **options: Any) -> None:
        numbers, entries = read_points(points)
        figures = evaluate(entries, read_queries(queries, numbers))
        shown = {name.replace("hit_at_", "hit@"): value for name, value in asdict(figures).items()}
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for name, value in shown.items():
            self.stdout.write(f"{name:14} {value}")


def rows_of(
    file: Path, columns: tuple[str, ...], required: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield (line number, row) for each row of a CSV file. Raises CommandError with the problem and its line."""
    try:
        with file.open(encoding="utf-8-sig", newline="") as stream:
            reader = csv.DictReader(stream)
            missing = [column for column in required if column not in (reader.fieldnames or ())]
            if missing:
                raise CommandError(f"{file}: no column {', '.join(missing)}; it has {reader.fieldnames}")
            for row in reader:
                if None in row:
                    raise CommandError(f"{file}, line {reader.line_num}: more fields than columns")
                yield reader.line_num, {column: (row.get(column) or "").strip() for column in columns}
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error


def read_points(file: Path) -> tuple[dict[str, int], list[IndexEntry]]:
    """Return a dict from the ids in the file to entry numbers, and the entries themselves, numbered from 0."""
    numbers: dict[str, int] = {}
    entries: list[IndexEntry] = []
    for line, row in rows_of(file, POINT_COLUMNS, ("id", "title")):
        if not row["id"] or not row["title"]:
            raise CommandError(f"{file}, line {line}: a point needs an id and a title")
        if row["id"] in numbers:
            raise CommandError(f"{file}, line {line}: {row['id']} occurs twice")
        language = row["language"] or "zh"
        if language not in LANGUAGES:
            raise CommandError(f"{file}, line {line}: language {language!r}; use zh or en")
        phrasings = tuple(text for part in row["phrasings"].split("|") if (text := part.strip()))
        numbers[row["id"]] = len(entries)
        entries.append(IndexEntry(len(entries), row["title"], phrasings, row["answer"], language))
    if not entries:
        raise CommandError(f"{file}: no points")
    return numbers, entries


def read_queries(file: Path, numbers: dict[str, int]) -> list[tuple[str, int | None]]:
    queries: list[tuple[str, int | None]] = []
    for line, row in rows_of(file, QUERY_COLUMNS, QUERY_COLUMNS):
        if row["id"] and row["id"] not in numbers:
            raise CommandError(f"{file}, line {line}: no point {row['id']!r}")
        queries.append((row["text"], numbers[row["id"]] if row["id"] else None))
    if all(wanted is None for _, wanted in queries):
        raise CommandError(f"{file}: no queries")
    return queries


def evaluate(entries: list[IndexEntry], queries: list[tuple[str, int | None]]) -> Figures:
    start = perf_counter()
    index = Index(entries, train=True)
    build = perf_counter() - start
    ranks: list[int] = []
    times: list[float] = []
    shown: list[bool] = []
    strange_shown: list[bool] = []
    for text, wanted in queries:
        start = perf_counter()
        hits = index.find(text, RANKS)
        times.append((perf_counter() - start) * 1000)
        is_shown = bool(hits) and hits[0].confidence >= NOT_ANSWERED
        if wanted is None:
            strange_shown.append(is_shown)
            continue
        shown.append(is_shown)
        ids = [hit.id for hit in hits]
        ranks.append(ids.index(wanted) if wanted in ids else RANKS)
    percentiles = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99

    def hit_at(top: int) -> float:
        return _share([rank < top for rank in ranks])

    return Figures(
        hit_at(1),
        hit_at(3),
        hit_at(5),
        round(sum(1 / (top + 1) for top in ranks if top < RANKS) / len(ranks), 4),
        _share(shown),
        _share(strange_shown) if strange_shown else None,
        round(percentiles[49], 2),
        round(percentiles[94], 2),
        len(entries),
        len(queries),
        round(build, 1),
    )


def _share(answers: list[bool]) -> float:
    return round(sum(answers) / len(answers), 4)
