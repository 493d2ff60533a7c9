"""The demo's knowledge: every point and place is fit to be sent to a customer, and the generator keeps its promises."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator
from decimal import Decimal
from itertools import pairwise
from math import cos, hypot, radians
from typing import Any
from urllib.parse import urlsplit

import pytest

from demo import bank, generator
from demo.dialogues import FOLDER as CHAT_DEMO
from demo.generator import generated_points, generated_queries
from knowledge.models import Branch

FOLDER = generator.WORDS_FILE.parent
FIELDS = {
    "key", "title", "phrasings", "answer", "note", "category", "department", "links", "public",
}  # fmt: skip
DEPARTMENTS = {code for code, _, _ in bank.DEPARTMENTS}
SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
HAN = re.compile(r"[\u4e00-\u9fff]")
NOT_A_LETTER = re.compile(r"[\W_]+")


def _read() -> Iterator[tuple[str, dict[str, Any]]]:
    for path in sorted(FOLDER.glob("points_*.jsonl")):
        language = path.stem.split("_")[1]
        for line in path.read_text(encoding="utf-8").splitlines():
            yield language, json.loads(line)


POINTS = list(_read())
PLACES = json.loads((FOLDER / "branches.json").read_text(encoding="utf-8"))


def each_point(check: Callable[[str, dict[str, Any]], None]) -> Callable[[], None]:
    """One test that checks them all: as thousands of tests they would cost the suite a minute."""

    def test() -> None:
        for language, point in POINTS:
            _named(point["key"], check, language, point)

    return test


def each_place(check: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    def test() -> None:
        for place in PLACES:
            _named(place["key"], check, place)

    return test


def _named(key: str, check: Callable[..., None], *given: Any) -> None:
    try:
        check(*given)
    except AssertionError as error:
        error.add_note(key)
        raise


def _twice(values: Iterator[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def _bare(text: str) -> str:
    """Without what a customer may as well leave out: signs, spaces and capitals."""
    return NOT_A_LETTER.sub("", text).casefold()


def _is_luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + place % 2) for place, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _real_numbers(text: str) -> list[str]:
    """What could be somebody's card, identity or telephone number; digits may stand in groups."""
    runs = re.findall(r"\d[\d -]*\d[Xx]?", text)
    numbers = [re.sub(r"[ -]", "", run) for run in runs]
    return [
        number
        for number in numbers
        if re.fullmatch(r"1[3-9]\d{9}", number)
        or re.fullmatch(r"\d{17}[\dXx]", number)
        or (13 <= len(number) <= 19 and number.isdigit() and _is_luhn(number))
        or re.fullmatch(r"0[1-9]\d{8,10}", number)
    ]


# -- Points --------------------------------------------------------------------------------------------------


def test_there_are_enough_points_in_both_languages() -> None:
    count = Counter(language for language, _ in POINTS)
    assert count["zh"] >= 300
    assert count["en"] == 77
    assert set(count) == {"zh", "en"}


def test_no_key_and_no_title_comes_twice() -> None:
    assert _twice(point["key"] for _, point in POINTS) == []
    assert _twice(_bare(point["title"]) for _, point in POINTS) == []


def test_no_wording_leads_to_two_points() -> None:
    assert _twice(_bare(text) for _, point in POINTS for text in (point["title"], *point["phrasings"])) == []


def test_categories_gather_points() -> None:
    for language in ("zh", "en"):
        own = [point["category"] for its, point in POINTS if its == language]
        assert len(set(own)) <= len(own) / 2.5, language
        assert len({category.split("/")[0] for category in own}) <= 25, language


@each_point
def test_a_point_is_whole(language: str, point: dict[str, Any]) -> None:
    assert set(point) == FIELDS
    assert SLUG.fullmatch(point["key"])
    assert len(point["key"]) <= 60
    for name in ("title", "answer", "category"):
        assert point[name] == point[name].strip() != "", name
    assert point["note"] == point["note"].strip()
    assert "\n" not in point["title"]
    assert len(point["title"]) <= 80
    assert point["department"] in DEPARTMENTS
    assert isinstance(point["public"], bool)
    assert len(point["category"].split("/")) == 2
    assert all(name.strip() == name != "" for name in point["category"].split("/"))


@each_point
def test_a_point_is_written_in_its_language(language: str, point: dict[str, Any]) -> None:
    texts = [point["title"], point["answer"], point["note"], point["category"], *point["phrasings"]]
    if language == "en":
        assert not any(HAN.search(text) for text in texts)
    else:
        assert HAN.search(point["title"])
        assert HAN.search(point["answer"])


@each_point
def test_an_answer_is_neither_curt_nor_long(language: str, point: dict[str, Any]) -> None:
    if language == "en":
        assert 40 <= len(point["answer"].split()) <= 120
    else:
        assert len(point["answer"]) >= 60
        assert len(HAN.findall(point["answer"])) <= 220


@each_point
def test_a_point_has_many_wordings(language: str, point: dict[str, Any]) -> None:
    assert 10 <= len(point["phrasings"]) <= 16
    for text in point["phrasings"]:
        assert text == text.strip() != ""
        assert "\n" not in text
        assert len(text) <= 120


@each_point
def test_steps_are_numbered_in_their_order(language: str, point: dict[str, Any]) -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", point["answer"], re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) != 1


@each_point
def test_links_lead_nowhere_real(language: str, point: dict[str, Any]) -> None:
    for words, address in point["links"]:
        assert words.strip()
        assert urlsplit(address).scheme == "https"
        assert (urlsplit(address).hostname or "").endswith(".example")
    texts = [point["title"], point["answer"], point["note"], *point["phrasings"]]
    for host in re.findall(r"(?:https?://|www\.)[\w.-]+", " ".join(texts)):
        assert host.endswith(".example")


@each_point
def test_no_number_in_a_point_could_be_somebodys(language: str, point: dict[str, Any]) -> None:
    for text in (point["title"], point["answer"], point["note"], *point["phrasings"]):
        assert _real_numbers(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "6222 0212 3456 7890 128",
        "我的号13812345678",
        "11010119900307123X",
        "电话 0931-8812345",
    ],
)
def test_numbers_that_could_be_somebodys_are_seen(text: str) -> None:
    assert _real_numbers(text)


@pytest.mark.parametrize("text", ["400-000-1024", "96110 或 110", "0000-5550101", "20万到30万", "9:00-17:00"])
def test_the_banks_own_numbers_pass(text: str) -> None:
    assert _real_numbers(text) == []


# -- Places --------------------------------------------------------------------------------------------------

KINDS = {Branch.Kind.BRANCH: 38, Branch.Kind.ATM: 22}
PLACE_FIELDS = {
    "key", "kind", "name", "name_en", "district", "district_en", "address", "address_en", "latitude", "longitude",
    "hours", "telephone", "services", "duty_contact", "aliases",
}  # fmt: skip
DAY = r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d"
IMPOSSIBLE_NUMBER = r"0000-555\d{4}"
# Of the Wangjiangmen branch, in the open sea; the counties are within a day's drive of it.
MIDDLE = (29.90, 124.10)
FURTHEST_KM = 60


def test_there_are_sixty_places_in_eight_districts_and_two_counties() -> None:
    assert Counter(place["kind"] for place in PLACES) == KINDS
    districts = {place["district"]: place["district_en"] for place in PLACES}
    assert Counter(name[-1] for name in districts) == {"区": 8, "县": 2}
    assert len(set(districts.values())) == len(districts)


def test_no_place_and_no_name_comes_twice() -> None:
    for field in ("key", "name", "name_en", "address", "address_en"):
        assert _twice(place[field] for place in PLACES) == [], field
    assert _twice(f"{place['latitude']} {place['longitude']}" for place in PLACES) == []
    names = (_bare(name) for place in PLACES for name in (place["name"], *place["aliases"]))
    assert _twice(names) == []


@each_place
def test_a_place_is_whole(place: dict[str, Any]) -> None:
    assert set(place) == PLACE_FIELDS
    assert SLUG.fullmatch(place["key"])
    assert place["address"].startswith(place["district"])
    assert place["address_en"].endswith(place["district_en"])
    assert not HAN.search(place["name_en"] + place["address_en"] + place["district_en"])
    assert set(place["services"]) <= set(Branch.Service.values)
    assert "cash" in place["services"] or "business" in place["services"]
    assert len(set(place["services"])) == len(place["services"])
    assert len(place["aliases"]) >= 4


@each_place
def test_a_place_fits_its_table(place: dict[str, Any]) -> None:
    same = (
        "key",
        "kind",
        "name",
        "name_en",
        "address",
        "address_en",
        "telephone",
        "services",
        "duty_contact",
        "aliases",
    )
    Branch(
        **{name: place[name] for name in same},
        latitude=Decimal(str(place["latitude"])),
        longitude=Decimal(str(place["longitude"])),
        weekday_hours=place["hours"]["weekday"],
        saturday_hours=place["hours"]["saturday"],
        sunday_hours=place["hours"]["sunday"],
    ).clean_fields(exclude=["region"])


@each_place
def test_a_place_says_when_it_is_open(place: dict[str, Any]) -> None:
    weekday, saturday, sunday = (place["hours"][day] for day in ("weekday", "saturday", "sunday"))
    if place["kind"] == Branch.Kind.ATM:
        assert (weekday, saturday, sunday) == ("24h", "24h", "24h")
    else:
        assert re.fullmatch(DAY, weekday)
        assert re.fullmatch(rf"({DAY})?", saturday)
        assert not sunday


@each_place
def test_nobody_answers_at_the_numbers_of_a_place(place: dict[str, Any]) -> None:
    assert re.fullmatch(IMPOSSIBLE_NUMBER, place["telephone"])
    assert re.fullmatch(rf"{HAN.pattern}+ {HAN.pattern}+ {IMPOSSIBLE_NUMBER}", place["duty_contact"])
    assert place["telephone"] not in place["duty_contact"]


@each_place
def test_a_place_lies_where_its_city_does(place: dict[str, Any]) -> None:
    north = (place["latitude"] - MIDDLE[0]) * 111
    east = (place["longitude"] - MIDDLE[1]) * 111 * cos(radians(MIDDLE[0]))
    is_far = place["district"].endswith("县")
    assert (30 if is_far else 0) <= hypot(north, east) <= (FURTHEST_KM if is_far else 25)


def test_places_are_where_agents_say_they_are() -> None:
    addresses = {place["name"]: place["address"] for place in PLACES}
    replies = json.loads((CHAT_DEMO / "canned_replies.json").read_text(encoding="utf-8"))
    said = {
        reply["title"]: re.split("[：，]", reply["body"])[1]
        for reply in replies
        if reply["title"].endswith("支行")
    }
    assert len(said) == 5
    for name, address in said.items():
        assert address in addresses[name]


# -- The generator -------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def made() -> list[dict[str, Any]]:
    return list(generated_points())


def test_five_thousand_points_are_made_and_no_two_are_alike(made: list[dict[str, Any]]) -> None:
    assert len(made) == 5000
    for field in ("key", "title", "answer"):
        assert _twice(point[field] for point in made) == [], field
    assert _twice(text for point in made for text in (point["title"], *point["phrasings"])) == []


def test_made_points_have_the_shape_of_written_ones(made: list[dict[str, Any]]) -> None:
    for point in made:
        assert set(point) == FIELDS | {"language"}
        assert SLUG.fullmatch(point["key"])
        assert len(point["key"]) <= 60
        assert len(point["title"]) <= 80
        assert point["department"] in DEPARTMENTS
        assert len(point["category"].split("/")) == 2
        assert 6 <= len(point["phrasings"]) <= 12
        assert 60 <= len(point["answer"]) <= 600
        assert "{" not in json.dumps([point["title"], point["answer"], point["phrasings"]])
    assert {point["department"] for point in made} == DEPARTMENTS


def test_every_tenth_made_point_is_english(made: list[dict[str, Any]]) -> None:
    english = [not HAN.search(point["title"] + point["answer"] + point["category"]) for point in made]
    assert sum(english) == 500
    assert sum(english[:100]) == 10


def test_the_same_seed_makes_the_same_points(made: list[dict[str, Any]]) -> None:
    assert list(generated_points(5000, 1)) == made
    assert list(generated_points(50)) == made[:50]
    assert list(generated_points(50, 2)) != made[:50]


def test_a_few_made_points_have_neighbours_too(made: list[dict[str, Any]]) -> None:
    chinese = [point for point in made[:100] if HAN.search(point["title"])]
    siblings = sum(one["category"] == other["category"] for one, other in pairwise(chinese))
    assert siblings > len(chinese) * 0.8


def test_more_points_than_there_are_words_for_are_refused() -> None:
    with pytest.raises(ValueError, match="the words suffice for"):
        list(generated_points(100_000))


def test_queries_are_new_wordings_with_the_key_that_answers(made: list[dict[str, Any]]) -> None:
    queries = list(generated_queries(made, 2000, 3))
    said = {text for point in made for text in (point["title"], *point["phrasings"])}
    points = {point["key"]: point for point in made}
    assert len({text for text, _ in queries}) == 2000
    assert not said & {text for text, _ in queries}
    assert {key for _, key in queries} <= set(points)
    assert list(generated_queries(made, 2000, 3)) == queries
    assert list(generated_queries(made, 2000, 4)) != queries
    english = [text for text, key in queries if key.startswith("made-en")]
    assert english
    assert not any(HAN.search(text) for text in english)


def test_half_of_the_queries_use_words_that_no_phrasing_has(made: list[dict[str, Any]]) -> None:
    words = json.loads(generator.WORDS_FILE.read_text(encoding="utf-8"))["zh"]
    kept_back = {
        say.replace("{p}", name)
        for action in words["actions"].values()
        for say in action["says"][-generator.HELD_BACK :]
        for product in words["products"].values()
        for name in product["names"]
        if product["kind"] in action["kinds"]
    }
    texts = [text for text, key in generated_queries(made, 600, 5) if key.startswith("made-zh")]
    unseen = [text for text in texts if any(say in text for say in kept_back)]
    assert 0.35 < len(unseen) / len(texts) < 0.6
    phrasings = "\n".join(text for point in made for text in point["phrasings"])
    assert [say for say in kept_back if say in phrasings] == []


def test_queries_without_points_are_refused() -> None:
    with pytest.raises(ValueError, match="need points"):
        next(generated_queries([], 1))


def test_every_word_list_of_the_generator_has_what_it_takes() -> None:
    for language, words in json.loads(generator.WORDS_FILE.read_text(encoding="utf-8")).items():
        names = [name for product in words["products"].values() for name in product["names"]]
        assert len(set(names)) == len(names), language
        for key in (*words["products"], *words["actions"], *words["circumstances"]):
            assert re.fullmatch(r"[a-z0-9]+", key), f"{key} is part of a key between hyphens"
        for action in words["actions"].values():
            assert len(action["says"]) > generator.HELD_BACK + 3
            assert all("{p}" in say for say in action["says"])
        circumstances = words["circumstances"].items()
        assert [key for key, about in circumstances if not about["says"]] == [generator.PLAIN], language
