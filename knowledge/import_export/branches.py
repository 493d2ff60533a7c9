"""Branches and cash machines as a table. What is brought in is shown at once."""

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
from knowledge.import_export.preview import FileRow, Preview, SheetTable, by_key, in_lots
from knowledge.import_export.sheets import Column, TableRow, as_lines, lines_of, read, text_of, yes_of
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
        sheet = read(dataset, COLUMNS, ["key"])
        preview = Preview(problems=sheet.problems)
        regions = by_key(Region, "name", "name_en")
        keys = [_text(row, "key") for row in sheet.rows]
        stored = {
            branch.key: branch
            for lot in in_lots(sorted(set(keys)))
            for branch in Branch.objects.filter(key__in=lot).select_related("region")
        }
        good: list[BranchFileRow] = []
        rows: dict[str, int] = {}
        for row, key in zip(sheet.rows, keys, strict=True):
            before = stored.get(key)
            found, problems = _read(row, key, before, regions)
            if key in rows:
                problems.setdefault("key", []).append(_("Row %(number)d has it too.") % {"number": rows[key]})
            rows.setdefault(key, row.number)
            if problems:
                preview.wrong.append(self.wrong(row.number, key, problems))
                continue
            good.append(found)
            if before is None:
                preview.new.append(FileRow(row.number, key, found.branch.name))
                continue
            old, new = _cells(before, before.region.name), _cells(found.branch, found.region)
            changes = self.changes(preview, old, new)
            if changes:
                preview.changed.append(FileRow(row.number, key, found.branch.name, changes))
            else:
                preview.unchanged += 1
        return preview, good

    def store(self, by: Staff, given: list[BranchFileRow]) -> int:
        import_branches(by=by, given=[(each.branch, each.region) for each in given])
        # Branches are found by their words alone.
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
        "services": "\n".join(str(services.get(each, each)) for each in branch.services),
        "aliases": as_lines(branch.aliases),
        "duty_contact": branch.duty_contact,
        "is_active": _("yes") if branch.is_active else _("no"),
    }


def _degrees(value: Decimal | None) -> str:
    return "" if value is None else f"{value:.5f}"


def _text(row: TableRow, name: str) -> str:
    try:
        return text_of(row.cells.get(name)).strip()
    except CellProblem:
        return ""


def _read(
    row: TableRow, key: str, before: Branch | None, regions: dict[str, Any]
) -> tuple[BranchFileRow, dict[str, list[str]]]:
    """The branch as the row says it, not stored; a column that the file has not leaves what is stored."""
    problems: dict[str, list[str]] = {}
    values: dict[str, Any] = {}
    for column in COLUMNS:
        if column.name in row.cells and column.name not in ("key", "region"):
            try:
                values[column.name] = _value(column.name, row.cells[column.name])
            except CellProblem as problem:
                problems[column.name] = [str(problem)]
    if not KEY.fullmatch(key):
        problems["key"] = [_("Letters, digits, - and _ only, at most 60.")]
    branch = Branch(key=key)
    for name in BRANCH_FIELDS:
        if before is not None:
            setattr(branch, name, getattr(before, name))
        if name in values:
            setattr(branch, name, values[name])
    region = _text(row, "region") if "region" in row.cells else before.region.name if before else ""
    known = regions.get(region.casefold())
    if not region:
        problems["region"] = [_("In which region?")]
    elif len(region) > 40:
        problems["region"] = [_("At most 40 characters.")]
    if (branch.latitude is None) != (branch.longitude is None):
        problems.setdefault("longitude", []).append(_("Latitude and longitude: both, or none."))
    try:
        branch.clean_fields(exclude=["key", "region", *problems])
    except ValidationError as error:
        problems |= error.message_dict
    return BranchFileRow(branch, known.name if known else region), problems


def _value(name: str, cell: Any) -> Any:
    match name:
        case "is_active":
            return yes_of(cell)
        case "aliases":
            return lines_of(cell)
        case "services":
            return [_choice(Branch.Service, each) for each in lines_of(cell)]
        case "kind":
            text = text_of(cell).strip()
            return _choice(Branch.Kind, text) if text else Branch.Kind.BRANCH
        case "latitude" | "longitude":
            text = text_of(cell).strip()
            try:
                return round(Decimal(text), 5) if text else None
            except (InvalidOperation, ValueError) as error:
                raise CellProblem(_("“%(text)s” is no number.") % {"text": text[:30]}) from error
        case _:
            return clean_line(text_of(cell), 1000)


def _choice(choices: Any, text: str) -> str:
    """By its value, or by what it is called in any of our languages."""
    wanted = text.casefold()
    for language in ("zh-hans", "en"):
        with translation.override(language):
            for choice in choices:
                if wanted in (choice.value.casefold(), str(choice.label).casefold()):
                    return str(choice.value)
    words = ", ".join(str(choice.label) for choice in choices)
    raise CellProblem(_("“%(text)s” is none of: %(words)s.") % {"text": text[:30], "words": words})
