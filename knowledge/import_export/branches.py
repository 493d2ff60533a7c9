"""Branches and cash machines as a table."""

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any, ClassVar

from django.core.exceptions import ValidationError
from django.db.models import QuerySet
from django.utils import translation
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy
from tablib import Dataset

from accounts.models import Staff
from chat.archive.exports import quote_formula
from core.text.cleaning import clean_line
from knowledge.actions.branches import BRANCH_FIELDS, import_branches
from knowledge.content import KEY
from knowledge.import_export.cells import CellProblem
from knowledge.import_export.preview import FileRow, Preview, SheetTable, by_key, in_batches
from knowledge.import_export.sheets import (
    Column,
    TableRow,
    cell_bool,
    cell_lines,
    cell_text,
    join_lines,
    parse_table,
)
from knowledge.models import Branch, Region

COLUMNS = (
    Column("key", gettext_lazy("key")),
    Column("kind", gettext_lazy("kind")),
    Column("name", gettext_lazy("name")),
    Column("name_en", gettext_lazy("name in English")),
    Column("region", gettext_lazy("region")),
    Column("address", gettext_lazy("address")),
    Column("address_en", gettext_lazy("address in English")),
    Column("latitude", gettext_lazy("latitude")),
    Column("longitude", gettext_lazy("longitude")),
    Column("weekday_hours", gettext_lazy("hours on weekdays")),
    Column("saturday_hours", gettext_lazy("hours on Saturdays")),
    Column("sunday_hours", gettext_lazy("hours on Sundays")),
    Column("telephone", gettext_lazy("telephone")),
    Column("services", gettext_lazy("services")),
    Column("aliases", gettext_lazy("other names")),
    Column("duty_contact", gettext_lazy("duty contact")),
    Column("is_active", gettext_lazy("in use")),
)


@dataclass(frozen=True)
class BranchFileRow:
    """A branch read from a row but not stored, and the name of its region, which might not exist yet."""

    branch: Branch
    region: str


class BranchTable(SheetTable):
    columns: ClassVar[tuple[Column, ...]] = COLUMNS

    @classmethod
    def get_display_name(cls) -> str:
        return _("Branches and cash machines: one row each")

    def filter_export(self, queryset: QuerySet[Branch], **kwargs: Any) -> QuerySet[Branch]:
        return self.bounded(queryset).select_related("region")

    def export_resource(self, instance: Branch, selected_fields: Any = None, **kwargs: Any) -> list[Any]:
        return [quote_formula(cell) for cell in _cells(instance, instance.region.name).values()]

    def check(self, dataset: Dataset) -> tuple[Preview, list[BranchFileRow]]:
        table = parse_table(dataset, COLUMNS, ["key"])
        preview = Preview(problems=table.problems)
        regions = by_key(Region, "name", "name_en")
        keys = [_text(row, "key") for row in table.rows]
        stored = {
            branch.key: branch
            for batch in in_batches(sorted(set(keys)))
            for branch in Branch.objects.filter(key__in=batch).select_related("region")
        }
        valid: list[BranchFileRow] = []
        rows: dict[str, int] = {}
        for row, key in zip(table.rows, keys, strict=True):
            before = stored.get(key)
            parsed, problems = _parse(row, key, before, regions)
            if key in rows:
                problems.setdefault("key", []).append(
                    _("Row %(number)d has the same key.") % {"number": rows[key]}
                )
            rows.setdefault(key, row.number)
            if problems:
                preview.wrong.append(self.wrong(row.number, key, problems))
                continue
            valid.append(parsed)
            if before is None:
                preview.new.append(FileRow(row.number, key, parsed.branch.name))
                continue
            old, new = _cells(before, before.region.name), _cells(parsed.branch, parsed.region)
            changes = self.changes(preview, old, new)
            if changes:
                preview.changed.append(FileRow(row.number, key, parsed.branch.name, changes))
            else:
                preview.unchanged += 1
        return preview, valid

    def store(self, by: Staff, rows: list[BranchFileRow]) -> int:
        import_branches(by=by, given=[(row.branch, row.region) for row in rows])
        # Branches are found only by their words and need no embeddings.
        return 0


def _cells(branch: Branch, region: str) -> dict[str, str]:
    services = dict(Branch.Service.choices)
    return {
        "key": branch.key,
        "kind": str(Branch.Kind(branch.kind).label),
        "name": branch.name,
        "name_en": branch.name_en,
        "region": region,
        "address": branch.address,
        "address_en": branch.address_en,
        "latitude": _degrees(branch.latitude),
        "longitude": _degrees(branch.longitude),
        "weekday_hours": branch.weekday_hours,
        "saturday_hours": branch.saturday_hours,
        "sunday_hours": branch.sunday_hours,
        "telephone": branch.telephone,
        "services": "\n".join(str(services.get(service, service)) for service in branch.services),
        "aliases": join_lines(branch.aliases),
        "duty_contact": branch.duty_contact,
        "is_active": _("yes") if branch.is_active else _("no"),
    }


def _degrees(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _text(row: TableRow, name: str) -> str:
    try:
        return cell_text(row.cells.get(name)).strip()
    except CellProblem:
        return ""


def _parse(
    row: TableRow, key: str, before: Branch | None, regions: dict[str, Any]
) -> tuple[BranchFileRow, dict[str, list[str]]]:
    """Return the branch that a row describes, without storing it, and the problems of the row by column.

    `before`: the stored branch, whose values are kept for columns that the file does not have.
    """
    problems: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for column in COLUMNS:
        if column.name in row.cells and column.name not in ("key", "region"):
            try:
                values[column.name] = _value(column.name, row.cells[column.name])
            except CellProblem as problem:
                problems[column.name] = [str(problem)]
    if not KEY.fullmatch(key):
        problems["key"] = [_("Use only letters, digits, - and _; at most 60 characters.")]
    branch = Branch(key=key)
    for name in BRANCH_FIELDS:
        if before is not None:
            setattr(branch, name, getattr(before, name))
        if name in values:
            setattr(branch, name, values[name])
    region = _text(row, "region") if "region" in row.cells else before.region.name if before else ""
    known_region = regions.get(region.casefold())
    if not region:
        problems["region"] = [_("Enter a region.")]
    elif len(region) > 40:
        problems["region"] = [_("Use at most 40 characters.")]
    if (branch.latitude is None) != (branch.longitude is None):
        problems.setdefault("longitude", []).append(_("Enter both latitude and longitude, or neither."))
    try:
        branch.clean_fields(exclude=["key", "region", *problems])
    except ValidationError as error:
        problems |= error.message_dict
    return BranchFileRow(branch, known_region.name if known_region else region), problems


def _value(name: str, cell: Any) -> Any:
    match name:
        case "is_active":
            return cell_bool(cell)
        case "aliases":
            return cell_lines(cell)
        case "services":
            return [_choice(Branch.Service, service) for service in cell_lines(cell)]
        case "kind":
            text = cell_text(cell).strip()
            return _choice(Branch.Kind, text) if text else Branch.Kind.BRANCH
        case "latitude" | "longitude":
            text = cell_text(cell).strip()
            try:
                return round(Decimal(text), 5) if text else None
            except (InvalidOperation, ValueError) as error:
                raise CellProblem(_("“%(text)s” is not a number.") % {"text": text[:30]}) from error
        case _:
            return clean_line(cell_text(cell), 1000)


def _choice(choices: Any, text: str) -> str:
    """Return the value of a choice that is named by its value or by its label in any of our languages.

    Raises CellProblem for any other text.
    """
    wanted = text.casefold()
    for language in ("zh-hans", "en"):
        with translation.override(language):
            for choice in choices:
                if wanted in (choice.value.casefold(), str(choice.label).casefold()):
                    return str(choice.value)
    labels = ", ".join(str(choice.label) for choice in choices)
    raise CellProblem(
        _("“%(text)s” is not allowed here. Choose from: %(words)s.") % {"text": text[:30], "words": labels}
    )
