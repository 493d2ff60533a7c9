"""The demo's library: points and places of the invented bank, from the files beside this one."""

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
    """Every point of the demo as its file has it: key, language, title, phrasings, answer, note, category, ..."""
    for file in sorted(FOLDER.glob("points_*.jsonl")):
        language = file.stem.split("_")[1]
        for line in file.read_text(encoding="utf-8").splitlines():
            yield {"language": language} | json.loads(line)


def places() -> list[dict[str, Any]]:
    stored: list[dict[str, Any]] = json.loads((FOLDER / "branches.json").read_text(encoding="utf-8"))
    return stored


def fill() -> int:
    """Stores what is missing of the demo's points and places, in the caller's transaction; returns how many points.

    What somebody has changed stays.
    """
    _places()
    known = set(Point.objects.values_list("key", flat=True))
    outcome = import_points(by=None, given=given(point for point in points() if point["key"] not in known))
    return outcome.new


def given(described: Iterable[dict[str, Any]]) -> list[PointToImport]:
    """Points as the files describe them, ready to be stored. Categories are made where they are missing."""
    departments = Department.objects.in_bulk(field_name="code")
    category: Any = cache(category_at)
    return [
        _given(each, category(each["category"]), departments.get(each["department"])) for each in described
    ]


def _given(each: dict[str, Any], category: Category, department: Department | None) -> PointToImport:
    until = each.get("valid_until")
    content = Content(
        title=each["title"],
        answer=each["answer"],
        note=each.get("note", ""),
        category=category,
        department=department,
        links=each.get("links", []),
        is_public=each.get("public", False),
        valid_until=date.fromisoformat(until) if until else None,
    )
    return PointToImport(each["key"], each.get("language", "zh"), content, each.get("phrasings", ()))


def _places() -> None:
    known = set(Branch.objects.values_list("key", flat=True))
    new = [place for place in places() if place["key"] not in known]
    if not new:
        return
    edition = new_edition()
    regions: dict[str, Region] = {}
    for place in new:
        if place["district"] not in regions:
            regions[place["district"]], _is_new = Region.objects.get_or_create(
                name=place["district"], defaults={"name_en": place["district_en"]}
            )
    Branch.objects.bulk_create(
        [
            Branch(
                key=place["key"],
                kind=place["kind"],
                name=place["name"],
                name_en=place["name_en"],
                region=regions[place["district"]],
                address=place["address"],
                address_en=place["address_en"],
                latitude=Decimal(str(place["latitude"])),
                longitude=Decimal(str(place["longitude"])),
                weekday_hours=place["hours"]["weekday"],
                saturday_hours=place["hours"]["saturday"],
                sunday_hours=place["hours"]["sunday"],
                telephone=place["telephone"],
                services=place["services"],
                aliases=place["aliases"],
                duty_contact=place["duty_contact"],
                edition=edition,
            )
            for place in new
        ]
    )
