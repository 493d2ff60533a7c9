"""One row of the table of knowledge points: what its words mean, and what stands there already."""

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
from knowledge.import_export.preview import by_key, in_lots
from knowledge.import_export.sheets import TableRow, as_lines, day_of, lines_of, text_of, yes_of
from knowledge.models import Branch, Category, Phrasing, Point, Region, Version
from knowledge.selectors import UNPUBLISHED_STATES, category_paths

# Where a column of the file is called otherwise than the field of a version.
_OF_FIELDS = {"is_public": "public"}
_LANGUAGES = {
    **{code: code for code, _words in LANGUAGES},
    "中文": "zh", "汉语": "zh", "chinese": "zh", "英文": "en", "英语": "en", "english": "en",
}  # fmt: skip


@dataclass(frozen=True)
class PointFileRow:
    """What a row says: `given` without its category, which is made only when the file is stored."""

    row: TableRow
    key: str
    given: PointToImport
    path: str


def text_of_key(row: TableRow) -> str:
    try:
        return text_of(row.cells["key"]).strip()
    except CellProblem:
        return ""


class Names:
    """What the words of a file mean, and the other way round. Five queries."""

    def __init__(self) -> None:
        self.paths = category_paths()
        self.categories = {path: pk for pk, path in self.paths.items()}
        self.by_path = Category.objects.in_bulk()
        self.departments = by_key(Department, "code", "name_zh", "name_en")
        self.regions = by_key(Region, "name", "name_en")
        self.branches = by_key(Branch, "key", "name", "name_en")
        self.staff = {staff.number.casefold(): staff for staff in Staff.objects.all()}

    def cells(
        self, said: Version | Content, phrasings: list[str], language: str, owner: Staff | None
    ) -> dict[str, str]:
        """The cells of a point as text, in the order of COLUMNS, but for the key and what is only taken away."""
        category = said.category
        return {
            "language": language,
            "title": said.title,
            "phrasings": as_lines(phrasings),
            "answer": said.answer,
            "note": said.note,
            "category": self.paths.get(category.pk, "") if category else "",
            "department": said.department.code if said.department else "",
            "region": said.region.name if said.region else "",
            "branch": said.branch.key if said.branch else "",
            "links": "\n".join(f"{words} | {address}" for words, address in said.links),
            "public": _("yes") if said.is_public else _("no"),
            "valid_from": f"{said.valid_from or ''}",
            "valid_until": f"{said.valid_until or ''}",
            "owner": owner.number if owner else "",
        }


def as_said(points: QuerySet[Point]) -> QuerySet[Point]:
    """With `accepted`: the phrasings, and `said`: the versions that were not replaced, newest first. Three queries."""
    accepted = Phrasing.objects.filter(state=Phrasing.State.ACCEPTED).order_by("id")
    newest = (
        Version.objects.exclude(state=Version.State.REPLACED)
        .select_related("category", "department", "region", "branch")
        .order_by("-number")
    )
    return points.select_related("owner").prefetch_related(
        Prefetch("phrasings", accepted, "accepted"), Prefetch("versions", newest, "said")
    )


@dataclass(frozen=True)
class StoredPoint:
    """A point as it stands: `version` is in the making, or is said, or was said last."""

    point: Point
    version: Version
    phrasings: list[str]


def stored_points(keys: list[str]) -> dict[str, StoredPoint]:
    """Four queries for every 500 points."""
    found: dict[str, StoredPoint] = {}
    for lot in in_lots(sorted(set(keys))):
        for point in as_said(Point.objects.filter(key__in=lot)):
            said: list[Version] = point.said  # type: ignore[attr-defined]
            making = next((version for version in said if version.state in UNPUBLISHED_STATES), None)
            texts = [each.text for each in point.accepted]  # type: ignore[attr-defined]
            found[point.key] = StoredPoint(point, making or said[0], texts)
    return found


class Reader:
    """One row: what it says, or what is wrong with it. A column that the file has not leaves what is stored."""

    def __init__(self, row: TableRow, names: Names, stored: StoredPoint | None) -> None:
        self.row = row
        self.stored = stored
        self.problems: dict[str, list[str]] = {}
        self._names = names
        self.read = self._read()

    def _read(self) -> PointFileRow:
        version, point = (self.stored.version, self.stored.point) if self.stored else (None, None)
        key = text_of_key(self.row)
        if not KEY.fullmatch(key):
            self._wrong("key", _("Letters, digits, - and _ only, at most 60."))
        old_path = self._names.paths.get(version.category_id, "") if version else ""
        path = "/".join(part.strip() for part in self._text("category", old_path).split("/") if part.strip())
        # A category that is not there yet is only made when the file is stored.
        pk = self._names.categories.get(path)
        category = self._names.by_path[pk] if pk else Category(name=path.rpartition("/")[2]) if path else None
        content = Content(
            title=self._text("title", version.title if version else ""),
            answer=self._text("answer", version.answer if version else ""),
            note=self._text("note", version.note if version else ""),
            category=category,
            department=self._one_of("department", self._names.departments, version and version.department),
            region=self._one_of("region", self._names.regions, version and version.region),
            branch=self._one_of("branch", self._names.branches, version and version.branch),
            links=self._cell("links", _links, version.links if version else []),
            is_public=self._cell("public", yes_of, version.is_public if version else False),
            valid_from=self._cell("valid_from", day_of, version.valid_from if version else None),
            valid_until=self._cell("valid_until", day_of, version.valid_until if version else None),
        )
        phrasings = self._cell("phrasings", lines_of, None)
        self._check(content, phrasings)
        owner = self._one_of("owner", self._names.staff, point and point.owner)
        if owner is not None and owner.role not in CAPABILITIES["edit_points"]:
            self._wrong("owner", _("%(name)s may not edit knowledge points.") % {"name": owner})
        language = self._language(point.language if point else "zh")
        return PointFileRow(self.row, key, PointToImport(key, language, content, phrasings, owner), path)

    def _check(self, content: Content, phrasings: list[str] | None) -> None:
        for check in (content.checked, lambda: phrasings_of(phrasings or ())):
            try:
                check()
            except PointIncomplete as refusal:
                for name, words in refusal.problems.items():
                    column = _OF_FIELDS.get(name, name)
                    if column not in self.problems:
                        self.problems[column] = words

    def _language(self, before: str) -> str:
        text = self._text("language", before).strip().casefold()
        language = _LANGUAGES.get(text or "zh")
        if language is None:
            self._wrong("language", _("“%(text)s” is neither zh nor en.") % {"text": text[:30]})
            return before
        return language

    def _cell(self, name: str, make: Any, otherwise: Any) -> Any:
        if name not in self.row.cells:
            return otherwise
        try:
            return make(self.row.cells[name])
        except CellProblem as problem:
            self._wrong(name, str(problem))
            return otherwise

    def _text(self, name: str, otherwise: str) -> str:
        text: str = self._cell(name, text_of, otherwise)
        return text

    def _one_of(self, name: str, known: Mapping[str, Any], otherwise: Any) -> Any:
        if name not in self.row.cells:
            return otherwise
        text = self._text(name, "").strip()
        if not text:
            return None
        # An owner may stand there with name and number.
        found = known.get(text.casefold()) or (
            known.get(text.split()[-1].casefold()) if name == "owner" else None
        )
        if found is None:
            self._wrong(name, _("There is no “%(text)s”.") % {"text": text[:40]})
        return found

    def _wrong(self, name: str, words: str) -> None:
        self.problems.setdefault(name, []).append(words)


def _links(cell: Any) -> list[list[str]]:
    found = []
    for line in text_of(cell).splitlines():
        words, bar, address = line.rpartition("|")
        if line.strip():
            found.append([words.strip(), address.strip()] if bar else ["", line.strip()])
    return found
