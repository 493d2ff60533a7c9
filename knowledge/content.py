"""What an editor writes of a point, and what has to be true of it before it may be said."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import date
from typing import Any
from urllib.parse import urlsplit

from django.core.exceptions import ValidationError
from django.utils.translation import gettext as _

from accounts.models import Department
from chat.protocol import MAX_BODY_CHARACTERS
from core.text.cleaning import clean_line, clean_text
from knowledge.errors import PointIncomplete
from knowledge.models import Branch, Category, Region, Version

# What names a point: its `key`.
KEY = re.compile(r"[-a-zA-Z0-9_]{1,60}")
MAX_LINKS = 10
MAX_PHRASINGS = 200
PHRASING_CHARACTERS = 200

# What of a version is its content: copied to the next one, compared between two.
FIELDS = (
    "title",
    "answer",
    "note",
    "category",
    "department",
    "region",
    "branch",
    "links",
    "is_public",
    "valid_from",
    "valid_until",
)


# Of these, those that are objects of other tables.
OBJECTS = ("category", "department", "region", "branch")


@dataclass(frozen=True)
class Content:
    """The words and the circumstances of a version, as they are given; `checked` says what is wrong with them."""

    title: str
    answer: str
    category: Category | None
    note: str = ""
    department: Department | None = None
    region: Region | None = None
    branch: Branch | None = None
    # [[words, address], ...]
    links: list[list[str]] = field(default_factory=list)
    is_public: bool = False
    valid_from: date | None = None
    valid_until: date | None = None

    def values(self) -> dict[str, Any]:
        """By the names of `Version`, white space and unprintable characters put right."""
        return {name: getattr(self, name) for name in FIELDS} | {
            "title": clean_line(self.title, 1000),
            "answer": _with_plain_breaks(clean_text(self.answer)),
            "note": _with_plain_breaks(clean_text(self.note)),
            "links": [
                [clean_line(words, 80) or address, clean_text(address)] for words, address in self.links
            ],
        }

    def checked(self) -> dict[str, Any]:
        """The same, if it may be said to a customer. Raises PointIncomplete with every problem."""
        values = self.values()
        problems: dict[str, list[str]] = {}
        try:
            # What is an object already is not looked up once more: in an import there are thousands.
            Version(**values).clean_fields(
                exclude=["point", "number", "state", "author", "reviewer", *OBJECTS]
            )
        except ValidationError as error:
            problems = error.message_dict
        # A TextField says how long it may be to forms alone.
        for name in ("answer", "note"):
            if len(values[name]) > MAX_BODY_CHARACTERS:
                words = _("At most %(count)d characters; here are %(length)d.")
                problems[name] = [words % {"count": MAX_BODY_CHARACTERS, "length": len(values[name])}]
        if self.category is None:
            problems["category"] = [_("Which category?")]
        links = _problems_of_links(values["links"])
        if links:
            problems["links"] = links
        if self.valid_from and self.valid_until and self.valid_from > self.valid_until:
            problems["valid_until"] = [_("This is before the first day on which it is valid.")]
        if problems:
            raise PointIncomplete(problems)
        return values


def _with_plain_breaks(text: str) -> str:
    """Write every line break as LF: a browser's form sends CR LF, a spreadsheet LF, and both mean the same answer."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _problems_of_links(links: list[list[str]]) -> list[str]:
    if len(links) > MAX_LINKS:
        return [_("At most %(count)d links.") % {"count": MAX_LINKS}]
    return [
        _("Not an address that begins with https:// : %(address)s") % {"address": address[:80]}
        for _words, address in links
        if urlsplit(address).scheme not in ("https", "http") or not urlsplit(address).hostname
    ]


def phrasings_of(lines: Iterable[str]) -> list[str]:
    """Each phrasing once, on one line, in order. Raises PointIncomplete when they are too many or one is too long."""
    found = list(dict.fromkeys(text for line in lines if (text := clean_line(line, 1000))))
    too_long = [text for text in found if len(text) > PHRASING_CHARACTERS]
    if too_long:
        raise PointIncomplete(
            {
                "phrasings": [
                    _("Longer than %(count)d characters: %(text)s …")
                    % {"count": PHRASING_CHARACTERS, "text": text[:30]}
                    for text in too_long
                ]
            }
        )
    if len(found) > MAX_PHRASINGS:
        raise PointIncomplete({"phrasings": [_("At most %(count)d phrasings.") % {"count": MAX_PHRASINGS}]})
    return found
