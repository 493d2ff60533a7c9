"""Knowledge points as a table. What a person brings in waits for a second person's approval."""

from typing import Any, ClassVar

from django.db import transaction
from django.db.models import QuerySet
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from tablib import Dataset

from accounts.models import Staff
from chat.archive.exports import quote_formula
from knowledge.actions.branches import category_at
from knowledge.actions.imports import PointToImport, import_points
from knowledge.content import Content, phrasings_of
from knowledge.import_export.point_rows import (
    Names,
    PointFileRow,
    Reader,
    as_said,
    stored_points,
    text_of_key,
)
from knowledge.import_export.preview import FileRow, Preview, SheetTable
from knowledge.import_export.sheets import Column, read
from knowledge.models import Point, Version

COLUMNS = (
    Column("key", gettext_lazy("key")),
    Column("language", gettext_lazy("language")),
    Column("title", gettext_lazy("title")),
    Column("phrasings", gettext_lazy("phrasings")),
    Column("answer", gettext_lazy("answer")),
    Column("note", gettext_lazy("note")),
    Column("category", gettext_lazy("category")),
    Column("department", gettext_lazy("business line")),
    Column("region", gettext_lazy("region")),
    Column("branch", gettext_lazy("branch")),
    Column("links", gettext_lazy("links")),
    Column("public", gettext_lazy("public")),
    Column("valid_from", gettext_lazy("valid from")),
    Column("valid_until", gettext_lazy("valid until")),
    Column("owner", gettext_lazy("owner")),
    Column("version", gettext_lazy("version"), is_read=False),
    Column("state", gettext_lazy("state"), is_read=False),
    Column("uses", gettext_lazy("times used"), is_read=False),
    Column("helped", gettext_lazy("times it helped"), is_read=False),
    Column("missed", gettext_lazy("times it did not help"), is_read=False),
)


class PointTable(SheetTable):
    columns: ClassVar[tuple[Column, ...]] = COLUMNS

    @classmethod
    def get_display_name(cls) -> str:
        return _("Knowledge points: one row each")

    # -- Taken away --------------------------------------------------------------------------------------------------

    def filter_export(self, queryset: QuerySet[Point], **kwargs: Any) -> QuerySet[Point]:
        self._names = Names()
        # What the list has fetched beforehand is for its own columns.
        return as_said(self.bounded(queryset).prefetch_related(None))

    def export_resource(self, instance: Point, selected_fields: Any = None, **kwargs: Any) -> list[Any]:
        said: list[Version] = instance.said  # type: ignore[attr-defined]
        version = said[0]
        accepted = [each.text for each in instance.accepted]  # type: ignore[attr-defined]
        cells: dict[str, Any] = {
            "key": instance.key,
            **self._names.cells(version, accepted, instance.language, instance.owner),
            "version": version.number,
            "state": str(version.get_state_display()),
            "uses": instance.uses,
            "helped": instance.helped,
            "missed": instance.missed,
        }
        return [cell if isinstance(cell, int) else quote_formula(cell) for cell in cells.values()]

    # -- Brought in --------------------------------------------------------------------------------------------------

    def check(self, dataset: Dataset) -> tuple[Preview, list[PointFileRow]]:
        sheet = read(dataset, COLUMNS, ["key"])
        preview = Preview(problems=sheet.problems)
        names = Names()
        stored = stored_points([text_of_key(row) for row in sheet.rows])
        good: list[PointFileRow] = []
        rows: dict[str, int] = {}
        for row in sheet.rows:
            key = text_of_key(row)
            reader = Reader(row, names, stored.get(key))
            problems = reader.problems
            if key in rows:
                problems.setdefault("key", []).append(_("Row %(number)d has it too.") % {"number": rows[key]})
            rows.setdefault(key, row.number)
            if problems:
                preview.wrong.append(self.wrong(row.number, key, problems))
                continue
            good.append(reader.read)
            self._note(preview, reader, names)
        return preview, good

    def _note(self, preview: Preview, reader: Reader, names: Names) -> None:
        """Under which of the kinds this row falls."""
        found, stored = reader.read, reader.stored
        given = found.given
        if stored is None:
            preview.new.append(FileRow(found.row.number, found.key, given.content.title))
            return
        before = names.cells(stored.version, stored.phrasings, stored.point.language, stored.point.owner)
        cleaned = Content(**given.content.values())
        phrasings = stored.phrasings if given.phrasings is None else phrasings_of(given.phrasings)
        after = names.cells(cleaned, phrasings, given.language, given.owner) | {"category": found.path}
        if set(phrasings) == set(stored.phrasings):
            # In another order they are the same.
            after["phrasings"] = before["phrasings"]
        changes = self.changes(preview, before, after)
        if changes:
            preview.changed.append(FileRow(found.row.number, found.key, given.content.title, changes))
        else:
            preview.unchanged += 1

    def store(self, by: Staff, given: list[PointFileRow]) -> int:
        with transaction.atomic():
            paths = {read.path for read in given}
            categories = {path: category_at(path) for path in sorted(paths)}
            outcome = import_points(
                by=by,
                given=[
                    PointToImport(
                        each.key,
                        each.given.language,
                        Content(**each.given.content.values() | {"category": categories[each.path]}),
                        each.given.phrasings,
                        each.given.owner,
                        says_owner=True,
                    )
                    for each in given
                ],
            )
        return outcome.texts
