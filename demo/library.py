"""Loads the knowledge points and branches of the demo bank from the data files in this folder."""

import json
from collections.abc import Iterable, Iterator
from datetime import date
from decimal import Decimal
from functools import cache
from pathlib import Path
from typing import Any

from accounts.models import Department
from knowledge.actions.branches import category_at
from knowledge.actions.editions import new_edition
from knowledge.actions.imports import PointToImport, import_points
from knowledge.content import Content
from knowledge.models import Branch, Category, Point, Region

FOLDER = Path(__file__).parent


def points() -> Iterator[dict[str, Any]]:
    """Yield every point of the demo as a dict, as in its file: key, language, title, phrasings, answer, note and so
    on."""
    for file in sorted(FOLDER.glob("points_*.jsonl")):
        language = file.stem.split("_")[1]
        for line in file.read_text(encoding="utf-8").splitlines():
            yield {"language": language} | json.loads(line)


def branches() -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = json.loads((FOLDER / "branches.json").read_text(encoding="utf-8"))
    return stored


def load_points() -> int:
    """Store the missing points and branches of the demo; return the number of new points.

    Existing points and branches are not changed. Runs in the caller's transaction.
    """
    _load_branches()
    known = set(Point.objects.values_list("key", flat=True))
    result = import_points(
        by=None, given=points_to_import(point for point in points() if point["key"] not in known)
    )
    return result.new


def points_to_import(rows: Iterable[dict[str, Any]]) -> list[PointToImport]:
    """Convert rows of the demo's files to points for import. Creates missing categories."""
    departments = Department.objects.in_bulk(field_name="code")
    category: Any = cache(category_at)
    return [
        _point_to_import(row, category(row["category"]), departments.get(row["department"])) for row in rows
    ]


def _point_to_import(row: dict[str, Any], category: Category, department: Department | None) -> PointToImport:
    until = row.get("valid_until")
    content = Content(
        title=row["title"],
        answer=row["answer"],
        note=row.get("note", ""),
        category=category,
        department=department,
        links=row.get("links", []),
        is_public=row.get("public", False),
        valid_until=date.fromisoformat(until) if until else None,
    )
    return PointToImport(row["key"], row.get("language", "zh"), content, row.get("phrasings", ()))


def _load_branches() -> None:
    known = set(Branch.objects.values_list("key", flat=True))
    new = [branch for branch in branches() if branch["key"] not in known]
    if not new:
        return
    edition = new_edition()
    regions: dict[str, Region] = {}
    for branch in new:
        if branch["district"] not in regions:
            regions[branch["district"]], _is_new = Region.objects.get_or_create(
                name=branch["district"], defaults={"name_en": branch["district_en"]}
            )
    Branch.objects.bulk_create(
        [
            Branch(
                key=branch["key"],
                kind=branch["kind"],
                name=branch["name"],
                name_en=branch["name_en"],
                region=regions[branch["district"]],
                address=branch["address"],
                address_en=branch["address_en"],
                latitude=Decimal(str(branch["latitude"])),
                longitude=Decimal(str(branch["longitude"])),
                weekday_hours=branch["hours"]["weekday"],
                saturday_hours=branch["hours"]["saturday"],
                sunday_hours=branch["hours"]["sunday"],
                telephone=branch["telephone"],
                services=branch["services"],
                aliases=branch["aliases"],
                duty_contact=branch["duty_contact"],
                edition=edition,
            )
            for branch in new
        ]
    )
