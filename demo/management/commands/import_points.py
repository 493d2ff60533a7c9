"""The `import_points` command: imports knowledge points from a file in the demo's format or from a file of statutes, or
generates them."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from demo.generator import generated_points
from demo.library import points_to_import
from knowledge.actions.imports import ImportRefused, import_points
from knowledge.published_index import seconds_to_learn

LAW_FIELDS = {"id", "law", "law_date", "article", "text"}


class Command(BaseCommand):
    help = (
        "Stores and publishes knowledge points from FILE (JSON lines in the format of the demo, or articles of"
        " statutes with id, law, law_date, chapter, article and text), or generates COUNT points. If one point is"
        " invalid, none is stored."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("file", nargs="?", type=Path)
        source.add_argument("--generate", type=int, metavar="COUNT", help="generate COUNT points instead")

    def handle(self, *args: Any, file: Path | None, generate: int | None, **options: Any) -> None:
        rows = list(generated_points(generate) if file is None else read_points(file))  # type: ignore[arg-type]
        try:
            with transaction.atomic():
                result = import_points(by=None, given=points_to_import(rows))
        except ImportRefused as refusal:
            for number, problems in refusal.rows.items():
                for name, messages in problems.items():
                    self.stderr.write(f"line {number + 1}, {name}: {' '.join(messages)}")
            raise CommandError("Nothing was stored.") from refusal
        if options["verbosity"]:
            summary = f"{result.new} new, {result.changed} changed, {result.unchanged} unchanged"
            self.stdout.write(summary)
            if seconds := seconds_to_learn(result.texts):
                self.stdout.write(
                    f"The servers are learning the meaning of the new texts, for about {seconds} s. Until then, search"
                    " finds these points only by their words."
                )


def read_points(file: Path) -> Iterator[dict[str, Any]]:
    """Yield the points of a file as dicts. Raises CommandError with the number of an invalid line."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield point_of_article(row) if row.keys() >= LAW_FIELDS else row
        except (ValueError, AttributeError, KeyError) as error:
            raise CommandError(f"{file}, line {number}: {error}") from error


def point_of_article(row: dict[str, Any]) -> dict[str, Any]:
    """Convert an article of a statute to a knowledge point.

    The title contains the date of the statute, because some statutes are superseded by later ones.
    """
    law = row["law"].removeprefix("中华人民共和国")
    return {
        "key": row["id"].lower(),
        "language": "zh",
        "title": f"{law} {row['article']}（{row['law_date']}文本）"[:120],
        "phrasings": [],
        "answer": row["text"][:2000],
        "note": f"{row['law']}，{row.get('chapter', '')}，{row['law_date']}文本；引用前请核对现行有效版本。",
        "category": f"法规/{law}"[:60],
        "department": "general",
    }
