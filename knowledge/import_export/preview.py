"""The preview of an import: the new, changed and wrong rows of a file. It writes nothing."""

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
    """A row that would be stored. `changes`: for each column that differs, its label and the differences."""

    number: int
    key: str
    title: str
    changes: list[tuple[str, list[Piece]]] = field(default_factory=list)


@dataclass(frozen=True)
class RowProblem:
    """A row that cannot be stored. `problems`: for each wrong column, its label and the messages about it."""

    number: int
    key: str
    problems: list[tuple[str, list[str]]]


@dataclass
class Preview:
    """The rows of a file by kind. If the file as a whole has `problems`, there are no rows."""

    # The maximum number of rows of each kind that the page lists. The page also states the total number of rows.
    SHOWN: ClassVar[int] = 200

    new: list[FileRow] = field(default_factory=list)
    changed: list[FileRow] = field(default_factory=list)
    wrong: list[RowProblem] = field(default_factory=list)
    unchanged: int = 0
    problems: list[str] = field(default_factory=list)
    # The number of texts that the search must encode after the rows are stored.
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


class PreviewResult(Result):
    """A result of django-import-export that has our preview in place of its rows."""

    def __init__(self, preview: Preview) -> None:
        super().__init__()
        self.preview = preview
        self.totals["new"], self.totals["update"] = len(preview.new), len(preview.changed)
        self.totals["skip"] = preview.unchanged

    def has_errors(self) -> bool:
        return not self.preview.is_good

    def has_validation_errors(self) -> bool:
        return False


# Seconds for all comparisons of one preview together. Changes not compared by then are shown as the old and the new
# text.
COMPARISON_SECONDS = 5.0


class SheetTable(Table):
    """A table that can be exported and imported again. A file is checked as a whole, then stored in one transaction."""

    columns: ClassVar[tuple[Column, ...]]

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._seconds = COMPARISON_SECONDS
        for column in self.columns:
            self.fields[column.name] = Field(attribute=column.name, column_name=column.label)

    # Replaces the method of django-import-export, which stores row by row.
    def import_data(  # type: ignore[override]
        self, dataset: Dataset, dry_run: bool = False, **kwargs: Any
    ) -> PreviewResult:
        preview, rows = self.check(dataset)
        if not dry_run and preview.is_good:
            preview.texts = self.store(kwargs["user"], rows)
        return PreviewResult(preview)

    def check(self, dataset: Dataset) -> tuple[Preview, list[Any]]:
        """Return the preview of a file, and the valid rows for `store`."""
        raise NotImplementedError

    def store(self, by: Staff, rows: list[Any]) -> int:
        """Store the rows of a file without problems. Returns the number of texts that the search must encode."""
        raise NotImplementedError

    def label_of(self, name: str) -> str:
        return next((str(column.label) for column in self.columns if column.name == name), name)

    def changes(
        self, preview: Preview, before: Mapping[str, str], after: Mapping[str, str]
    ) -> list[tuple[str, list[Piece]]]:
        """Return the label and the differences of each column that differs.

        The differences are empty for rows that the preview does not list.
        """
        is_shown = len(preview.changed) < preview.SHOWN
        return [
            (self.label_of(name), self._compare(before[name], after[name]) if is_shown else [])
            for name in before
            if before[name] != after[name]
        ]

    def _compare(self, old: str, new: str) -> list[Piece]:
        start = time.monotonic()
        pieces = differences(old, new, min(SECONDS, self._seconds))
        self._seconds -= time.monotonic() - start
        return pieces

    def wrong(self, number: int, key: str, problems: Mapping[str, list[str]]) -> RowProblem:
        return RowProblem(
            number, key, [(self.label_of(name), messages) for name, messages in problems.items()]
        )


def in_batches(keys: list[str], count: int = 500) -> list[list[str]]:
    """Split the keys into batches, because SQLite limits the number of parameters of a statement."""
    return [keys[start : start + count] for start in range(0, len(keys), count)]


def by_key(model: type[Model], *names: str) -> dict[str, Any]:
    """Map each non-empty value of these fields, case-folded, to its object.

    Loads the whole table by one query, so use it for small tables only.
    """
    return {
        str(getattr(obj, name)).casefold(): obj
        for obj in model._default_manager.all()
        for name in names
        if getattr(obj, name)
    }
