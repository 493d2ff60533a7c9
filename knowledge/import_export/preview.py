"""What a file would do, before it does it: what is new, what changes, what is wrong. Nothing is written."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from django.db.models import Model
from import_export.fields import Field
from import_export.results import Result
from tablib import Dataset

from accounts.models import Staff
from chat.archive.exports import Table
from knowledge.differences import SECONDS, Piece, differences
from knowledge.import_export.sheets import Column


@dataclass(frozen=True)
class FileRow:
    """A row that would be stored. `changes`: the columns that differ, by their names for people."""

    number: int
    key: str
    title: str
    changes: list[tuple[str, list[Piece]]] = field(default_factory=list)


@dataclass(frozen=True)
class RowProblem:
    """A row that cannot be stored: what is wrong, by the names of the columns for people."""

    number: int
    key: str
    problems: list[tuple[str, list[str]]]


@dataclass
class Preview:
    # So many of each kind are shown; all are counted.
    SHOWN: ClassVar[int] = 200

    new: list[FileRow] = field(default_factory=list)
    changed: list[FileRow] = field(default_factory=list)
    wrong: list[RowProblem] = field(default_factory=list)
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)
    # Of what was stored, those whose meanings have to be learned.
    texts: int = 0

    @property
    def is_good(self) -> bool:
        return not (self.wrong or self.problems)

    @property
    def is_cut(self) -> bool:
        return max(len(self.new), len(self.changed), len(self.wrong)) > self.SHOWN

    @property
    def shown_new(self) -> list[FileRow]:
        return self.new[: self.SHOWN]

    @property
    def shown_changed(self) -> list[FileRow]:
        return self.changed[: self.SHOWN]

    @property
    def shown_wrong(self) -> list[RowProblem]:
        return self.wrong[: self.SHOWN]


class PreviewRow(Result):
    """The result of django-import-export, with our preview in place of its rows."""

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self.preview = preview
        self.totals["new"], self.totals["update"] = len(preview.new), len(preview.changed)
        self.totals["skip"] = preview.unchanged

    def has_errors(self) -> bool:
        return not self.preview.is_good

    def has_validation_errors(self) -> bool:
        return False


# Seconds for all comparisons of one preview; what is left then is shown as old and new.
COMPARISON_SECONDS = 5.0


class SheetTable(Table):
    """A table that can be brought in again: a whole file is checked, then stored as one transaction or not at all."""

    columns: ClassVar[tuple[Column, ...]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._seconds = COMPARISON_SECONDS
        for column in self.columns:
            self.fields[column.name] = Field(attribute=column.name, column_name=column.words)

    # What it leaves out of the library's own is for rows that are stored one by one.
    def import_data(  # type: ignore[override]
        self, dataset: Dataset, dry_run: bool = False, **kwargs: Any
    ) -> PreviewRow:
        preview, given = self.check(dataset)
        if not dry_run and preview.is_good:
            preview.texts = self.store(kwargs["user"], given)
        return PreviewRow(preview)

    def check(self, dataset: Dataset) -> tuple[Preview, list[Any]]:
        raise NotImplementedError

    def store(self, by: Staff, given: list[Any]) -> int:
        """Store them all; return how many of their texts have a meaning to be learned."""
        raise NotImplementedError

    def words_of(self, name: str) -> str:
        return next((str(column.words) for column in self.columns if column.name == name), name)

    def changes(
        self, preview: Preview, before: Mapping[str, str], after: Mapping[str, str]
    ) -> list[tuple[str, list[Piece]]]:
        """The columns that differ. Rows past those that `preview` shows are not compared piece by piece."""
        is_shown = len(preview.changed) < preview.SHOWN
        return [
            (self.words_of(name), self._compare(before[name], after[name]) if is_shown else [])
            for name in before
            if before[name] != after[name]
        ]

    def _compare(self, old: str, new: str) -> list[Piece]:
        start = time.monotonic()
        pieces = differences(old, new, min(SECONDS, self._seconds))
        self._seconds -= time.monotonic() - start
        return pieces

    def wrong(self, number: int, key: str, problems: Mapping[str, list[str]]) -> RowProblem:
        return RowProblem(number, key, [(self.words_of(name), words) for name, words in problems.items()])


def in_lots(keys: list[str], count: int = 500) -> list[list[str]]:
    """SQLite takes only so many parameters."""
    return [keys[start : start + count] for start in range(0, len(keys), count)]


def by_key(model: type[Model], *names: str) -> dict[str, Any]:
    """Every object of a small table by each of these of its fields that is not empty. One query."""
    return {
        str(getattr(each, name)).casefold(): each
        for each in model._default_manager.all()
        for name in names
        if getattr(each, name)
    }
