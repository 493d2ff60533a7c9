"""One row of the table of knowledge points: parses its cells, and compares them with the stored point."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Prefetch, QuerySet
from django.utils.translation import gettext as _

from accounts.access import CAPABILITIES
from accounts.models import Department, Staff
from chat.models.texts import LANGUAGES
from knowledge.actions.imports import PointToImport
from knowledge.content import KEY, Content, phrasings_of
from knowledge.errors import PointIncomplete
from knowledge.import_export.cells import CellProblem
from knowledge.import_export.preview import by_key, in_batches
from knowledge.import_export.sheets import TableRow, cell_bool, cell_date, cell_lines, cell_text, join_lines
from knowledge.models import Branch, Category, Phrasing, Point, Region, Version
from knowledge.selectors import UNPUBLISHED_STATES, category_paths

# Fields of a version whose column in the file has another name.
_FIELD_COLUMNS = {"is_public": "public"}
_LANGUAGES = {
    **{code: code for code, _words in LANGUAGES},
    "中文": "zh", "汉语": "zh", "chinese": "zh", "英文": "en", "英语": "en", "english": "en",
}  # fmt: skip


@dataclass(frozen=True)
class PointFileRow:
    """A parsed row. `path` is the category, which is created only when the file is stored."""

    row: TableRow
    key: str
    point: PointToImport
    path: str


def key_in(row: TableRow) -> str:
    try:
        return cell_text(row.cells["key"]).strip()
    except CellProblem:
        return ""


class Names:
    """Lookup tables from the names in a file to objects, and back. Loading them takes six queries."""

    def __init__(self) -> None:
        self.paths = category_paths()
        self.categories = {path: pk for pk, path in self.paths.items()}
        self.by_path = Category.objects.in_bulk()
        self.departments = by_key(Department, "code", "name_zh", "name_en")
        self.regions = by_key(Region, "name", "name_en")
        self.branches = by_key(Branch, "key", "name", "name_en")
        self.staff = {staff.number.casefold(): staff for staff in Staff.objects.all()}

    def cells(
        self, content: Version | Content, phrasings: list[str], language: str, owner: Staff | None
    ) -> dict[str, str]:
        """Return the cells of a point as text, in the order of COLUMNS, without the key and the export-only columns."""
        category = content.category
        return {
            "language": language,
            "title": content.title,
            "phrasings": join_lines(phrasings),
            "answer": content.answer,
            "note": content.note,
            "category": self.paths.get(category.pk, "") if category else "",
            "department": content.department.code if content.department else "",
            "region": content.region.name if content.region else "",
            "branch": content.branch.key if content.branch else "",
            "links": "\n".join(f"{label} | {address}" for label, address in content.links),
            "public": _("yes") if content.is_public else _("no"),
            "valid_from": f"{content.valid_from or ''}",
            "valid_until": f"{content.valid_until or ''}",
            "owner": owner.number if owner else "",
        }


def with_versions(points: QuerySet[Point]) -> QuerySet[Point]:
    """Prefetch the accepted phrasings as `accepted`, and all versions except replaced ones as `current_versions`.

    Versions are in order, newest first. Three queries when read.
    """
    accepted = Phrasing.objects.filter(state=Phrasing.State.ACCEPTED).order_by("id")
    newest = (
        Version.objects.exclude(state=Version.State.REPLACED)
        .select_related("category", "department", "region", "branch")
        .order_by("-number")
    )
    return points.select_related("owner").prefetch_related(
        Prefetch("phrasings", accepted, "accepted"), Prefetch("versions", newest, "current_versions")
    )


@dataclass(frozen=True)
class StoredPoint:
    """A stored point, with the version and the phrasings to which an imported row is compared.

    `version` is the unpublished version, else the published one, else the one published last.
    """

    point: Point
    version: Version
    phrasings: list[str]


def stored_points(keys: list[str]) -> dict[str, StoredPoint]:
    """Return the stored points by their keys. Three queries for every 500 keys."""
    stored: dict[str, StoredPoint] = {}
    for batch in in_batches(sorted(set(keys))):
        for point in with_versions(Point.objects.filter(key__in=batch)):
            versions: list[Version] = point.current_versions  # type: ignore[attr-defined]
            unpublished = next((version for version in versions if version.state in UNPUBLISHED_STATES), None)
            texts = [phrasing.text for phrasing in point.accepted]  # type: ignore[attr-defined]
            stored[point.key] = StoredPoint(point, unpublished or versions[0], texts)
    return stored


class PointRowParser:
    """Parses one row into `parsed`, and collects its `problems` by column.

    If the file does not have a column, the stored value of that field is kept.
    """

    def __init__(self, row: TableRow, names: Names, stored: StoredPoint | None) -> None:
        self.row = row
        self.stored = stored
        self.problems: dict[str, list[str]] = {}
        self._names = names
        self.parsed = self._parse()

    def _parse(self) -> PointFileRow:
        version, point = (self.stored.version, self.stored.point) if self.stored else (None, None)
        key = key_in(self.row)
        if not KEY.fullmatch(key):
            self._add_problem("key", _("Use only letters, digits, - and _; at most 60 characters."))
        old_path = self._names.paths.get(version.category_id, "") if version else ""
        path = "/".join(part.strip() for part in self._text("category", old_path).split("/") if part.strip())
        # A new category is created only when the file is stored.
        pk = self._names.categories.get(path)
        category = self._names.by_path[pk] if pk else Category(name=path.rpartition("/")[2]) if path else None
        content = Content(
            title=self._text("title", version.title if version else ""),
            answer=self._text("answer", version.answer if version else ""),
            note=self._text("note", version.note if version else ""),
            category=category,
            department=self._lookup("department", self._names.departments, version and version.department),
            region=self._lookup("region", self._names.regions, version and version.region),
            branch=self._lookup("branch", self._names.branches, version and version.branch),
            links=self._cell("links", _links, version.links if version else []),
            is_public=self._cell("public", cell_bool, version.is_public if version else False),
            valid_from=self._cell("valid_from", cell_date, version.valid_from if version else None),
            valid_until=self._cell("valid_until", cell_date, version.valid_until if version else None),
        )
        phrasings = self._cell("phrasings", cell_lines, None)
        self._check(content, phrasings)
        owner = self._lookup("owner", self._names.staff, point and point.owner)
        if owner is not None and owner.role not in CAPABILITIES["edit_points"]:
            self._add_problem("owner", _("%(name)s has no right to edit knowledge points.") % {"name": owner})
        language = self._language(point.language if point else "zh")
        return PointFileRow(self.row, key, PointToImport(key, language, content, phrasings, owner), path)

    def _check(self, content: Content, phrasings: list[str] | None) -> None:
        for check in (content.checked, lambda: phrasings_of(phrasings or ())):
            try:
                check()
            except PointIncomplete as refusal:
                for name, messages in refusal.problems.items():
                    column = _FIELD_COLUMNS.get(name, name)
                    if column not in self.problems:
                        self.problems[column] = messages

    def _language(self, before: str) -> str:
        text = self._text("language", before).strip().casefold()
        language = _LANGUAGES.get(text or "zh")
        if language is None:
            self._add_problem(
                "language", _("“%(text)s” is not a language. Write zh or en.") % {"text": text[:30]}
            )
            return before
        return language

    def _cell(self, name: str, convert: Any, default: Any) -> Any:
        if name not in self.row.cells:
            return default
        try:
            return convert(self.row.cells[name])
        except CellProblem as problem:
            self._add_problem(name, str(problem))
            return default

    def _text(self, name: str, default: str) -> str:
        text: str = self._cell(name, cell_text, default)
        return text

    def _lookup(self, name: str, known: Mapping[str, Any], default: Any) -> Any:
        if name not in self.row.cells:
            return default
        text = self._text(name, "").strip()
        if not text:
            return None
        # The owner may be written as name and number.
        match = known.get(text.casefold()) or (
            known.get(text.split()[-1].casefold()) if name == "owner" else None
        )
        if match is None:
            self._add_problem(name, _("“%(text)s” does not exist.") % {"text": text[:40]})
        return match

    def _add_problem(self, name: str, message: str) -> None:
        self.problems.setdefault(name, []).append(message)


def _links(cell: Any) -> list[list[str]]:
    links = []
    for line in cell_text(cell).splitlines():
        label, separator, address = line.rpartition("|")
        if line.strip():
            links.append([label.strip(), address.strip()] if separator else ["", line.strip()])
    return links
