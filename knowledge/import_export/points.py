"""Knowledge points as a table. A person's import needs approval by a second person."""

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
    PointRowParser,
    key_in,
    stored_points,
    with_versions,
)
from knowledge.import_export.preview import FileRow, Preview, SheetTable
from knowledge.import_export.sheets import Column, parse_table
from knowledge.models import Point, Version

COLUMNS = (
    Column("key", gettext_lazy("key")),
    Column("language", gettext_lazy("language")),
    Column("title", gettext_lazy("title")),
    Column("phrasings", gettext_lazy("phrasings")),
    Column("answer", gettext_lazy("answer")),
    Column("note", gettext_lazy("note")),
    Column("category", gettext_lazy("category")),
    Column("department", gettext_lazy("department")),
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

    # -- Export ------------------------------------------------------------------------------------------------------

    def filter_export(self, queryset: QuerySet[Point], **kwargs: Any) -> QuerySet[Point]:
        self._names = Names()
        # Remove the prefetches of the admin list, which the export does not need.
        return with_versions(self.bounded(queryset).prefetch_related(None))

    def export_resource(self, instance: Point, selected_fields: Any = None, **kwargs: Any) -> list[Any]:
        versions: list[Version] = instance.current_versions  # type: ignore[attr-defined]
        version = versions[0]
        accepted = [phrasing.text for phrasing in instance.accepted]  # type: ignore[attr-defined]
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

    # -- Import ------------------------------------------------------------------------------------------------------

    def check(self, dataset: Dataset) -> tuple[Preview, list[PointFileRow]]:
        table = parse_table(dataset, COLUMNS, ["key"])
        preview = Preview(problems=table.problems)
        names = Names()
        stored = stored_points([key_in(row) for row in table.rows])
        valid: list[PointFileRow] = []
        rows: dict[str, int] = {}
        for row in table.rows:
            key = key_in(row)
            parser = PointRowParser(row, names, stored.get(key))
            problems = parser.problems
            if key in rows:
                problems.setdefault("key", []).append(
                    _("Row %(number)d has the same key.") % {"number": rows[key]}
                )
            rows.setdefault(key, row.number)
            if problems:
                preview.wrong.append(self.wrong(row.number, key, problems))
                continue
            valid.append(parser.parsed)
            self._add_to_preview(preview, parser, names)
        return preview, valid

    def _add_to_preview(self, preview: Preview, parser: PointRowParser, names: Names) -> None:
        """Add a valid row to the new, changed or unchanged rows of the preview."""
        parsed, stored = parser.parsed, parser.stored
        imported = parsed.point
        if stored is None:
            preview.new.append(FileRow(parsed.row.number, parsed.key, imported.content.title))
            return
        before = names.cells(stored.version, stored.phrasings, stored.point.language, stored.point.owner)
        cleaned = Content(**imported.content.values())
        phrasings = stored.phrasings if imported.phrasings is None else phrasings_of(imported.phrasings)
        after = names.cells(cleaned, phrasings, imported.language, imported.owner) | {"category": parsed.path}
        if set(phrasings) == set(stored.phrasings):
            # The order of phrasings does not matter.
            after["phrasings"] = before["phrasings"]
        changes = self.changes(preview, before, after)
        if changes:
            preview.changed.append(FileRow(parsed.row.number, parsed.key, imported.content.title, changes))
        else:
            preview.unchanged += 1

    def store(self, by: Staff, rows: list[PointFileRow]) -> int:
        with transaction.atomic():
            paths = {row.path for row in rows}
            categories = {path: category_at(path) for path in sorted(paths)}
            result = import_points(
                by=by,
                given=[
                    PointToImport(
                        row.key,
                        row.point.language,
                        Content(**row.point.content.values() | {"category": categories[row.path]}),
                        row.point.phrasings,
                        row.point.owner,
                        has_owner=True,
                    )
                    for row in rows
                ],
            )
        return result.texts
