"""Bring points into the library: from a file of the demo's form, from statutes, or made up for tests at size."""

import json
from argparse import ArgumentParser
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from django.db import transaction

from demo.generator import generated_points
from demo.library import given
from knowledge.actions.imports import ImportRefused, import_points
from knowledge.published_index import seconds_to_learn

LAW_FIELDS = {"id", "law", "law_date", "article", "text"}


class Command(BaseCommand):
    help = (
        "Stores and publishes knowledge points from FILE (JSON lines: as demo has them, or articles of"
        " statutes with id, law, law_date, chapter, article and text), or --generate COUNT of them. All or none."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        source = parser.add_mutually_exclusive_group(required=True)
        source.add_argument("file", nargs="?", type=Path)
        source.add_argument("--generate", type=int, metavar="COUNT", help="make so many up instead")

    def handle(self, *args: Any, file: Path | None, generate: int | None, **options: Any) -> None:
        described = list(generated_points(generate) if file is None else read(file))  # type: ignore[arg-type]
        try:
            with transaction.atomic():
                outcome = import_points(by=None, given=given(described))
        except ImportRefused as refusal:
            for number, problems in refusal.rows.items():
                for name, said in problems.items():
                    self.stderr.write(f"line {number + 1}, {name}: {' '.join(said)}")
            raise CommandError("Nothing was stored.") from refusal
        if options["verbosity"]:
            words = f"{outcome.new} new, {outcome.changed} changed, {outcome.unchanged} as they were"
            self.stdout.write(words)
            if seconds := seconds_to_learn(outcome.texts):
                self.stdout.write(
                    f"The servers are learning what the new words mean, for about {seconds} s. Until then these"
                    " points are found by their words."
                )


def read(file: Path) -> Iterator[dict[str, Any]]:
    """The points of a file. Raises CommandError with the line that is wrong."""
    try:
        lines = file.read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise CommandError(f"{file} cannot be read: {error}") from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
            yield article(row) if row.keys() >= LAW_FIELDS else row
        except (ValueError, AttributeError, KeyError) as error:
            raise CommandError(f"{file}, line {number}: {error}") from error


def article(row: dict[str, Any]) -> dict[str, Any]:
    """An article of a statute as a point of reference. Its title bears the date of the text: some are superseded."""
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
