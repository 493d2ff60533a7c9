"""How well the search finds: points and queries from two files, an index of its own, nothing else touched."""

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
    """`shown`: the share of questions whose first answer is sure enough for the widget; `strange_shown`: that of
    questions that no point answers, where there are any."""

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
        "Builds an index of the points in a CSV file, asks it every query of another, and prints hit@1, hit@3,"
        " hit@5, MRR (of the first ten), the share that is sure enough to be shown, and the time of a search. No"
        " database is read or written."
    )
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--points",
            type=Path,
            required=True,
            help="CSV: id, title, phrasings (with | between), answer, language",
        )
        parser.add_argument(
            "--queries",
            type=Path,
            required=True,
            help="CSV: text, id of the point that answers; empty: none does",
        )
        parser.add_argument("--json", action="store_true", help="print the figures alone, as JSON")

    def handle(self, *args: Any, points: Path, queries: Path, **options: Any) -> None:
        names, entries = read_points(points)
        asked = read_queries(queries, names)
        figures = evaluate(entries, asked)
        shown = {name.replace("hit_at_", "hit@"): value for name, value in asdict(figures).items()}
        if options["json"]:
            self.stdout.write(json.dumps(shown))
            return
        for name, value in shown.items():
            self.stdout.write(f"{name:14} {value}")


def rows_of(
    file: Path, columns: tuple[str, ...], required: tuple[str, ...]
) -> Iterator[tuple[int, dict[str, str]]]:
    """The rows with the number of their line. Raises CommandError with what is wrong, and where."""
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
    """The number of each id in the file, and the entries by these numbers."""
    names: dict[str, int] = {}
    entries: list[IndexEntry] = []
    for line, row in rows_of(file, POINT_COLUMNS, ("id", "title")):
        if not row["id"] or not row["title"]:
            raise CommandError(f"{file}, line {line}: a point needs an id and a title")
        if row["id"] in names:
            raise CommandError(f"{file}, line {line}: {row['id']} stands there twice")
        language = row["language"] or "zh"
        if language not in LANGUAGES:
            raise CommandError(f"{file}, line {line}: language {language!r}; use zh or en")
        phrasings = tuple(text for part in row["phrasings"].split("|") if (text := part.strip()))
        names[row["id"]] = len(entries)
        entries.append(IndexEntry(len(entries), row["title"], phrasings, row["answer"], language))
    if not entries:
        raise CommandError(f"{file}: no points")
    return names, entries


def read_queries(file: Path, names: dict[str, int]) -> list[tuple[str, int | None]]:
    asked: list[tuple[str, int | None]] = []
    for line, row in rows_of(file, QUERY_COLUMNS, QUERY_COLUMNS):
        if row["id"] and row["id"] not in names:
            raise CommandError(f"{file}, line {line}: no point {row['id']!r}")
        asked.append((row["text"], names[row["id"]] if row["id"] else None))
    if all(wanted is None for _, wanted in asked):
        raise CommandError(f"{file}: no queries")
    return asked


def evaluate(entries: list[IndexEntry], asked: list[tuple[str, int | None]]) -> Figures:
    began = perf_counter()
    index = Index(entries, teach=True)
    build = perf_counter() - began
    ranks: list[int] = []
    times: list[float] = []
    shown: list[bool] = []
    strange_shown: list[bool] = []
    for text, wanted in asked:
        began = perf_counter()
        hits = index.find(text, RANKS)
        times.append((perf_counter() - began) * 1000)
        is_shown = bool(hits) and hits[0].confidence >= NOT_ANSWERED
        if wanted is None:
            strange_shown.append(is_shown)
            continue
        shown.append(is_shown)
        found = [hit.id for hit in hits]
        ranks.append(found.index(wanted) if wanted in found else RANKS)
    cuts = quantiles(times, n=100, method="inclusive") if len(times) > 1 else times * 99

    def hit_at(rank: int) -> float:
        return _share([each < rank for each in ranks])

    return Figures(
        hit_at(1),
        hit_at(3),
        hit_at(5),
        round(sum(1 / (rank + 1) for rank in ranks if rank < RANKS) / len(ranks), 4),
        _share(shown),
        _share(strange_shown) if strange_shown else None,
        round(cuts[49], 2),
        round(cuts[94], 2),
        len(entries),
        len(asked),
        round(build, 1),
    )


def _share(answers: list[bool]) -> float:
    return round(sum(answers) / len(answers), 4)
