"""The content of a knowledge point as an editor writes it, and the checks it must pass."""

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

# A valid `key` of a point or branch.
KEY = re.compile(r"[-a-zA-Z0-9_]{1,60}")
MAX_LINKS = 10
MAX_PHRASINGS = 200
PHRASING_CHARACTERS = 200

# The fields of `Version` that are its content. They are copied to the next version, and compared between two versions.
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


# The content fields that are foreign keys.
OBJECTS = ("category", "department", "region", "branch")


@dataclass(frozen=True)
class Content:
    """The content of a version as it was entered; `checked` reports what is wrong with it."""

    title: str
    answer: str
    category: Category | None
    note: str = ""
    department: Department | None = None
    region: Region | None = None
    branch: Branch | None = None
    # A list of [label, URL] pairs.
    links: list[list[str]] = field(default_factory=list)
    is_public: bool = False
    valid_from: date | None = None
    valid_until: date | None = None

    def values(self) -> dict[str, Any]:
        """Return the content by the field names of `Version`, with its texts cleaned by `core.text.cleaning`."""
        return {name: getattr(self, name) for name in FIELDS} | {
            "title": clean_line(self.title, 1000),
            "answer": _with_plain_breaks(clean_text(self.answer)),
            "note": _with_plain_breaks(clean_text(self.note)),
            "links": [
                [clean_line(label, 80) or address, clean_text(address)] for label, address in self.links
            ],
        }

    def checked(self) -> dict[str, Any]:
        """Return `values()` if the content is valid. Raises PointIncomplete with every problem."""
        values = self.values()
        problems: dict[str, list[str]] = {}
        try:
            # Do not validate foreign keys. They are objects already, and validating each would cost a query; an import
            # has thousands.
            Version(**values).clean_fields(
                exclude=["point", "number", "state", "author", "reviewer", *OBJECTS]
            )
        except ValidationError as error:
            problems = error.message_dict
        # Only forms enforce the max_length of a TextField; the model does not.
        for name in ("answer", "note"):
            if len(values[name]) > MAX_BODY_CHARACTERS:
                message = _("At most %(count)d characters are allowed. The text has %(length)d.")
                problems[name] = [message % {"count": MAX_BODY_CHARACTERS, "length": len(values[name])}]
        if self.category is None:
            problems["category"] = [_("Enter a category.")]
        links = _problems_of_links(values["links"])
        if links:
            problems["links"] = links
        if self.valid_from and self.valid_until and self.valid_from > self.valid_until:
            problems["valid_until"] = [_("The last day can't be before the first day.")]
        if problems:
            raise PointIncomplete(problems)
        return values


def _with_plain_breaks(text: str) -> str:
    """Write every line break as LF: a browser's form sends CR LF, a spreadsheet LF, and both mean the same answer."""
    return text.replace("\r\n", "\n").replace("\r", "\n")


def _problems_of_links(links: list[list[str]]) -> list[str]:
    if len(links) > MAX_LINKS:
        return [_("Use at most %(count)d links.") % {"count": MAX_LINKS}]
    return [
        _("Use a web address that starts with https://. This one is not valid: %(address)s")
        % {"address": address[:80]}
        for _label, address in links
        if urlsplit(address).scheme not in ("https", "http") or not urlsplit(address).hostname
    ]


def phrasings_of(texts: Iterable[str]) -> list[str]:
    """Return the phrasings cleaned and without duplicates, in order.

    Raises PointIncomplete when there are too many or one is too long.
    """
    phrasings = list(dict.fromkeys(text for line in texts if (text := clean_line(line, 1000))))
    too_long = [text for text in phrasings if len(text) > PHRASING_CHARACTERS]
    if too_long:
        raise PointIncomplete(
            {
                "phrasings": [
                    _("This phrasing is longer than %(count)d characters: %(text)s …")
                    % {"count": PHRASING_CHARACTERS, "text": text[:30]}
                    for text in too_long
                ]
            }
        )
    if len(phrasings) > MAX_PHRASINGS:
        raise PointIncomplete(
            {"phrasings": [_("Use at most %(count)d phrasings.") % {"count": MAX_PHRASINGS}]}
        )
    return phrasings
