"""Tests that the demo's knowledge points and branches are fit to be sent to customers, and tests of the generator of
further points."""

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
BRANCHES = json.loads((FOLDER / "branches.json").read_text(encoding="utf-8"))


def for_every_point(check: Callable[[str, dict[str, Any]], None]) -> Callable[[], None]:
    """Return one test that calls `check` for every point.

    With a separate test for each of the thousands of points, the suite would take a minute longer.
    """

    def test() -> None:
        for language, point in POINTS:
            _named_test(point["key"], check, language, point)

    return test


def for_every_branch(check: Callable[[dict[str, Any]], None]) -> Callable[[], None]:
    def test() -> None:
        for branch in BRANCHES:
            _named_test(branch["key"], check, branch)

    return test


def _named_test(key: str, check: Callable[..., None], *given: Any) -> None:
    try:
        check(*given)
    except AssertionError as error:
        error.add_note(key)
        raise


def _repeated(values: Iterator[str]) -> list[str]:
    return [value for value, times in Counter(values).items() if times > 1]


def _normalized(text: str) -> str:
    """Return the text in lower case and without punctuation and spaces, which customers often leave out."""
    return NOT_A_LETTER.sub("", text).casefold()


def _is_luhn(digits: str) -> bool:
    doubled = [int(digit) * (1 + branch % 2) for branch, digit in enumerate(reversed(digits))]
    return sum(value - 9 if value > 9 else value for value in doubled) % 10 == 0


def _real_numbers(text: str) -> list[str]:
    """Return the numbers in a text that could be real card, identity or telephone numbers. Digits may be grouped."""
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


def test_the_demo_has_enough_points_in_both_languages() -> None:
    count = Counter(language for language, _ in POINTS)
    assert count["zh"] >= 300
    assert count["en"] == 77
    assert set(count) == {"zh", "en"}


def test_keys_and_titles_of_points_are_unique() -> None:
    assert _repeated(point["key"] for _, point in POINTS) == []
    assert _repeated(_normalized(point["title"]) for _, point in POINTS) == []


def test_no_wording_belongs_to_two_points() -> None:
    assert (
        _repeated(_normalized(text) for _, point in POINTS for text in (point["title"], *point["phrasings"]))
        == []
    )


def test_every_category_has_several_points() -> None:
    for language in ("zh", "en"):
        own = [point["category"] for its, point in POINTS if its == language]
        assert len(set(own)) <= len(own) / 2.5, language
        assert len({category.split("/")[0] for category in own}) <= 25, language


@for_every_point
def test_a_point_has_all_fields(language: str, point: dict[str, Any]) -> None:
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


@for_every_point
def test_a_point_is_in_its_language(language: str, point: dict[str, Any]) -> None:
    texts = [point["title"], point["answer"], point["note"], point["category"], *point["phrasings"]]
    if language == "en":
        assert not any(HAN.search(text) for text in texts)
    else:
        assert HAN.search(point["title"])
        assert HAN.search(point["answer"])


@for_every_point
def test_an_answer_is_neither_too_short_nor_too_long(language: str, point: dict[str, Any]) -> None:
    if language == "en":
        assert 40 <= len(point["answer"].split()) <= 120
    else:
        assert len(point["answer"]) >= 60
        assert len(HAN.findall(point["answer"])) <= 220


@for_every_point
def test_a_point_has_enough_phrasings(language: str, point: dict[str, Any]) -> None:
    assert 10 <= len(point["phrasings"]) <= 16
    for text in point["phrasings"]:
        assert text == text.strip() != ""
        assert "\n" not in text
        assert len(text) <= 120


@for_every_point
def test_steps_of_an_answer_are_numbered_in_order(language: str, point: dict[str, Any]) -> None:
    numbers = [int(number) for number in re.findall(r"^(\d+)\. ", point["answer"], re.MULTILINE)]
    assert numbers == list(range(1, len(numbers) + 1))
    assert len(numbers) != 1


@for_every_point
def test_links_of_points_lead_to_no_real_site(language: str, point: dict[str, Any]) -> None:
    for words, address in point["links"]:
        assert words.strip()
        assert urlsplit(address).scheme == "https"
        assert (urlsplit(address).hostname or "").endswith(".example")
    texts = [point["title"], point["answer"], point["note"], *point["phrasings"]]
    for host in re.findall(r"(?:https?://|www\.)[\w.-]+", " ".join(texts)):
        assert host.endswith(".example")


@for_every_point
def test_no_number_in_a_point_could_be_a_real_one(language: str, point: dict[str, Any]) -> None:
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
def test_real_looking_numbers_are_detected(text: str) -> None:
    assert _real_numbers(text)


@pytest.mark.parametrize("text", ["400-000-1024", "96110 或 110", "0000-5550101", "20万到30万", "9:00-17:00"])
def test_the_numbers_of_the_demo_bank_are_allowed(text: str) -> None:
    assert _real_numbers(text) == []


# -- Branches ------------------------------------------------------------------------------------------------

KINDS = {Branch.Kind.BRANCH: 38, Branch.Kind.ATM: 22}
PLACE_FIELDS = {
    "key", "kind", "name", "name_en", "district", "district_en", "address", "address_en", "latitude", "longitude",
    "hours", "telephone", "services", "duty_contact", "aliases",
}  # fmt: skip
DAY = r"([01]\d|2[0-3]):[0-5]\d-([01]\d|2[0-3]):[0-5]\d"
IMPOSSIBLE_NUMBER = r"0000-555\d{4}"
# The invented city lies in the open sea, so that no real place has its coordinates. MIDDLE is the location of its
# Wangjiangmen branch.
MIDDLE = (29.90, 124.10)
FURTHEST_KM = 60


def test_the_demo_has_sixty_branches_in_eight_districts_and_two_counties() -> None:
    assert Counter(branch["kind"] for branch in BRANCHES) == KINDS
    districts = {branch["district"]: branch["district_en"] for branch in BRANCHES}
    assert Counter(name[-1] for name in districts) == {"区": 8, "县": 2}
    assert len(set(districts.values())) == len(districts)


def test_keys_and_names_of_branches_are_unique() -> None:
    for field in ("key", "name", "name_en", "address", "address_en"):
        assert _repeated(branch[field] for branch in BRANCHES) == [], field
    assert _repeated(f"{branch['latitude']} {branch['longitude']}" for branch in BRANCHES) == []
    names = (_normalized(name) for branch in BRANCHES for name in (branch["name"], *branch["aliases"]))
    assert _repeated(names) == []


@for_every_branch
def test_a_branch_has_all_fields(branch: dict[str, Any]) -> None:
    assert set(branch) == PLACE_FIELDS
    assert SLUG.fullmatch(branch["key"])
    assert branch["address"].startswith(branch["district"])
    assert branch["address_en"].endswith(branch["district_en"])
    assert not HAN.search(branch["name_en"] + branch["address_en"] + branch["district_en"])
    assert set(branch["services"]) <= set(Branch.Service.values)
    assert "cash" in branch["services"] or "business" in branch["services"]
    assert len(set(branch["services"])) == len(branch["services"])
    assert len(branch["aliases"]) >= 4


@for_every_branch
def test_a_branch_fits_the_model(branch: dict[str, Any]) -> None:
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
        **{name: branch[name] for name in same},
        latitude=Decimal(str(branch["latitude"])),
        longitude=Decimal(str(branch["longitude"])),
        weekday_hours=branch["hours"]["weekday"],
        saturday_hours=branch["hours"]["saturday"],
        sunday_hours=branch["hours"]["sunday"],
    ).clean_fields(exclude=["region"])


@for_every_branch
def test_a_branch_has_opening_hours(branch: dict[str, Any]) -> None:
    weekday, saturday, sunday = (branch["hours"][day] for day in ("weekday", "saturday", "sunday"))
    if branch["kind"] == Branch.Kind.ATM:
        assert (weekday, saturday, sunday) == ("24h", "24h", "24h")
    else:
        assert re.fullmatch(DAY, weekday)
        assert re.fullmatch(rf"({DAY})?", saturday)
        assert not sunday


@for_every_branch
def test_the_telephone_numbers_of_branches_cannot_be_dialled(branch: dict[str, Any]) -> None:
    assert re.fullmatch(IMPOSSIBLE_NUMBER, branch["telephone"])
    assert re.fullmatch(rf"{HAN.pattern}+ {HAN.pattern}+ {IMPOSSIBLE_NUMBER}", branch["duty_contact"])
    assert branch["telephone"] not in branch["duty_contact"]


@for_every_branch
def test_the_coordinates_of_a_branch_are_in_its_city(branch: dict[str, Any]) -> None:
    north = (branch["latitude"] - MIDDLE[0]) * 111
    east = (branch["longitude"] - MIDDLE[1]) * 111 * cos(radians(MIDDLE[0]))
    is_far = branch["district"].endswith("县")
    assert (30 if is_far else 0) <= hypot(north, east) <= (FURTHEST_KM if is_far else 25)


def test_branches_are_where_agents_of_the_dialogues_say() -> None:
    addresses = {branch["name"]: branch["address"] for branch in BRANCHES}
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


def test_the_generator_makes_five_thousand_different_points(made: list[dict[str, Any]]) -> None:
    assert len(made) == 5000
    for field in ("key", "title", "answer"):
        assert _repeated(point[field] for point in made) == [], field
    assert _repeated(text for point in made for text in (point["title"], *point["phrasings"])) == []


def test_generated_points_have_the_format_of_written_ones(made: list[dict[str, Any]]) -> None:
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


def test_every_tenth_generated_point_is_english(made: list[dict[str, Any]]) -> None:
    english = [not HAN.search(point["title"] + point["answer"] + point["category"]) for point in made]
    assert sum(english) == 500
    assert sum(english[:100]) == 10


def test_equal_seeds_generate_equal_points(made: list[dict[str, Any]]) -> None:
    assert list(generated_points(5000, 1)) == made
    assert list(generated_points(50)) == made[:50]
    assert list(generated_points(50, 2)) != made[:50]


def test_a_few_generated_points_include_similar_ones(made: list[dict[str, Any]]) -> None:
    chinese = [point for point in made[:100] if HAN.search(point["title"])]
    siblings = sum(one["category"] == other["category"] for one, other in pairwise(chinese))
    assert siblings > len(chinese) * 0.8


def test_generating_more_points_than_the_words_allow_is_refused() -> None:
    with pytest.raises(ValueError, match="the word lists suffice for"):
        list(generated_points(100_000))


def test_generated_queries_are_new_wordings_with_the_key_of_their_point(made: list[dict[str, Any]]) -> None:
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


def test_half_of_the_queries_use_held_back_wordings(made: list[dict[str, Any]]) -> None:
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


def test_generating_queries_without_points_is_refused() -> None:
    with pytest.raises(ValueError, match="without points"):
        next(generated_queries([], 1))


def test_every_word_list_of_the_generator_is_complete() -> None:
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
