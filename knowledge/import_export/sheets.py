"""A table file as people make it: CSV in whatever encoding, or XLSX; its columns found by their names."""

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from io import StringIO
from typing import Any, NamedTuple

from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from openpyxl.utils import get_column_letter
from tablib import Dataset

from chat.archive.exports import STARTERS, CsvFile
from knowledge.import_export import xlsx
from knowledge.import_export.cells import (
    MAX_CELL_CHARACTERS,
    MAX_COLUMNS,
    MAX_LINES,
    MAX_ROWS,
    CellProblem,
    UnclearCell,
    UnreadableFile,
)

_DAYS = (
    "%Y-%m-%d",
    "%Y/%m/%d",
    "%Y.%m.%d",
    "%Y%m%d",
    "%Y年%m月%d日",
    "%Y-%m-%d %H:%M:%S",
    "%Y/%m/%d %H:%M:%S",
)
_YES = {"yes", "y", "true", "1", "是", "对", "√", "✓"}
_NO = {"", "no", "n", "false", "0", "否", "不"}
_ERRORS = {"#N/A", "#REF!", "#VALUE!", "#DIV/0!", "#NAME?", "#NULL!", "#NUM!"}


class Column(NamedTuple):
    """`name`: in code and in the first row of a file; `words`: the same for people, in any of our languages."""

    name: str
    words: str | Promise
    # What only stands in what is taken away; where it is brought back, it is not read.
    is_read: bool = True


@dataclass(frozen=True)
class TableRow:
    """`number`: as the spreadsheet counts. `cells`: by the names of the columns that the file has."""

    number: int
    cells: dict[str, Any]


@dataclass(frozen=True)
class TableFile:
    """`problems`: what is wrong with the file as a whole; then there are no rows."""

    rows: list[TableRow]
    problems: list[str]


class SheetFile(CsvFile):
    """What is brought in says itself what it is: XLSX, or CSV in UTF-8, UTF-16 or GB 18030 (a Chinese Excel's)."""

    def get_title(self) -> str:
        return "XLSX, CSV"

    def get_read_mode(self) -> str:
        return "rb"

    def create_dataset(self, in_stream: bytes, **kwargs: Any) -> Dataset:
        if in_stream.startswith(b"PK\x03\x04"):
            lines = xlsx.read_lines(in_stream)
        elif in_stream.startswith(b"\xd0\xcf\x11\xe0"):
            raise UnreadableFile(
                _("This is a file of an old Excel (.xls). Save it as .xlsx or CSV and try again.")
            )
        else:
            lines = _csv_lines(in_stream)
        while lines and _is_empty(lines[-1]):
            lines.pop()
        if not lines:
            raise UnreadableFile(_("This file is empty."))
        width = max(len(line) for line in lines)
        padded = [[*line, *[None] * (width - len(line))] for line in lines]
        return Dataset(*padded[1:], headers=["" if cell is None else str(cell) for cell in padded[0]])


def _csv_lines(data: bytes) -> list[list[Any]]:
    """Return the rows of a CSV file. Reading stops at the first row that is too many, too wide or too long."""
    text = _decoded(data)
    if "\x00" in text:
        raise UnreadableFile(_("This is neither a spreadsheet (.xlsx) nor a CSV file."))
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    lines: list[list[Any]] = []
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        for number, line in enumerate(
            csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True), start=1
        ):
            if _is_empty(line):
                line = []
            elif number > MAX_LINES:
                raise UnreadableFile(
                    _("Something stands in row %(row)d: at most %(count)d rows.")
                    % {"row": number, "count": MAX_LINES}
                )
            elif len(line) > MAX_COLUMNS:
                raise UnreadableFile(
                    _("Row %(row)d has %(count)d columns: more than this table has.")
                    % {"row": number, "count": len(line)}
                )
            if number <= MAX_LINES:
                lines.append(line)
    except csv.Error as error:
        raise UnreadableFile(_("This CSV file is damaged: %(words)s") % {"words": error}) from error
    return lines


def _decoded(data: bytes) -> str:
    """Return the text of a CSV file. Raises Unreadable where a guess could read other letters than were written."""
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    elif data.startswith(b"\xef\xbb\xbf") or _is_damaged_utf8(data):
        encodings = ("utf-8-sig",)
    else:
        encodings = ("utf-8", "gb18030")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise UnreadableFile(
        _("The letters of this file are in no encoding that we know. Save it as CSV UTF-8, or as .xlsx.")
    )


def _is_damaged_utf8(data: bytes) -> bool:
    """Whether this is UTF-8 but for a few bytes, which GB 18030 would turn into other letters throughout.

    Read as UTF-8, a text in GB 18030 is mostly replacement characters; a damaged one has few.
    """
    letters = [letter for letter in data.decode("utf-8", "replace") if letter > "\x7f"]
    damaged = letters.count("\ufffd")
    return 0 < damaged <= len(letters) // 5


def _is_empty(cells: Sequence[Any]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def read(dataset: Dataset, columns: Sequence[Column], required: Sequence[str]) -> TableFile:
    """The rows that hold anything. Without the `required` columns, or with unknown ones, only problems."""
    known = _names_of(columns)
    problems: list[str] = []
    places: dict[str, int] = {}
    headers = [str(header or "").strip().strip("\ufeff").strip() for header in dataset.headers or []]
    lines = list(dataset)
    for place, header in enumerate(headers):
        letter = get_column_letter(place + 1)
        name = known.get(header.casefold())
        if not header:
            if not _is_empty([line[place] for line in lines]):
                problems.append(_("Column %(letter)s has no name in the first row.") % {"letter": letter})
        elif name is None:
            problems.append(
                _("Column %(letter)s: nothing is called “%(name)s”.")
                % {"letter": letter, "name": header[:40]}
            )
        elif name in places:
            problems.append(
                _("Column %(letter)s: “%(name)s” is there twice.") % {"letter": letter, "name": header}
            )
        else:
            places[name] = place
    words = {column.name: str(column.words) for column in columns}
    missing = [words[name] for name in required if name not in places]
    if missing:
        problems.append(_("These columns are missing: %(names)s.") % {"names": ", ".join(missing)})
    if problems:
        names = ", ".join(str(column.words) for column in columns if column.is_read)
        problems.append(
            _("The first row has to hold the names of the columns. There are: %(names)s.") % {"names": names}
        )
    if len(lines) > MAX_ROWS:
        problems.append(_("At most %(count)d rows at once.") % {"count": MAX_ROWS})
    if problems:
        return TableFile([], problems)
    read_columns = {column.name for column in columns if column.is_read}
    rows = [
        TableRow(number, {name: line[place] for name, place in places.items() if name in read_columns})
        for number, line in enumerate(lines, start=2)
        if not _is_empty(line)
    ]
    return TableFile(rows, [] if rows else [_("There are no rows below the names of the columns.")])


def _names_of(columns: Sequence[Column]) -> dict[str, str]:
    found: dict[str, str] = {}
    for column in columns:
        found[column.name.casefold()] = column.name
        for language in ("zh-hans", "en"):
            with translation.override(language):
                found[str(column.words).casefold()] = column.name
    return found


# -- What stands in a cell -------------------------------------------------------------------------------------------


def text_of(cell: Any) -> str:
    """Return the text as it is shown. Raises CellProblem where that is not certain, and for a spreadsheet's error."""
    if cell is None:
        return ""
    if isinstance(cell, UnclearCell):
        raise CellProblem(cell.reason)
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, date):
        raise CellProblem(_("This is a date and not a text. Format the column as text and type it again."))
    text = str(cell)
    if text.strip() in _ERRORS:
        raise CellProblem(_("A formula has failed here: %(words)s") % {"words": text.strip()})
    # What was taken away has an apostrophe before what looks like a formula (chat.archive.exports).
    return text[1:] if text.startswith("'") and text[1:].startswith(("'", *STARTERS)) else text


def day_of(cell: Any) -> date | None:
    """A day as people and spreadsheets write it. Raises CellProblem."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = text_of(cell).strip()
    if not text:
        return None
    for form in _DAYS:
        try:
            return datetime.strptime(text, form).date()  # noqa: DTZ007  (a day, of no time zone)
        except ValueError:
            continue
    raise CellProblem(_("“%(text)s” is not a day. Write it so: 2026-01-31") % {"text": text[:30]})


def yes_of(cell: Any) -> bool:
    """Raises CellProblem."""
    text = text_of(cell).strip().casefold()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise CellProblem(_("“%(text)s” is neither yes nor no.") % {"text": text[:30]})


def lines_of(cell: Any) -> list[str]:
    """One a line, or on one line with | between."""
    text = text_of(cell)
    parts = text.splitlines() if "\n" in text else text.split("|")
    return [part.strip() for part in parts if part.strip()]


def as_lines(texts: Sequence[str]) -> str:
    """What `lines_of` reads as these again."""
    return "\n".join(texts) + ("\n" if len(texts) == 1 and "|" in texts[0] else "")
