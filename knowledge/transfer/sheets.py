"""A table file as people make it: CSV in whatever encoding, or XLSX; its columns found by their names."""

import csv
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from io import BytesIO, StringIO
from typing import Any, NamedTuple

import openpyxl
from django.utils import translation
from django.utils.functional import Promise
from django.utils.translation import gettext as _
from openpyxl.utils import get_column_letter
from tablib import Dataset

from chat.exports import STARTERS, CsvFile

MAX_ROWS = 20_000
# What a spreadsheet of the allowed size may become when it is unpacked.
UNPACKED_BYTES = 200 * 1024 * 1024
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


class Unreadable(ValueError):
    """The file is no table; says in words why."""


class CellProblem(ValueError):
    """What stands in a cell cannot be what it has to be; says in words why."""


class Column(NamedTuple):
    """`name`: in code and in the first row of a file; `words`: the same for people, in any of our languages."""

    name: str
    words: str | Promise
    # What only stands in what is taken away; where it is brought back, it is not read.
    is_read: bool = True


@dataclass(frozen=True)
class Row:
    """`number`: as the spreadsheet counts. `cells`: by the names of the columns that the file has."""

    number: int
    cells: dict[str, Any]


@dataclass(frozen=True)
class Sheet:
    """`problems`: what is wrong with the file as a whole; then there are no rows."""

    rows: list[Row]
    problems: list[str]


class SheetFile(CsvFile):
    """What is brought in says itself what it is: XLSX, or CSV in UTF-8, UTF-16 or GB 18030 (a Chinese Excel's)."""

    def get_title(self) -> str:
        return "XLSX, CSV"

    def get_read_mode(self) -> str:
        return "rb"

    def create_dataset(self, in_stream: bytes, **kwargs: Any) -> Dataset:
        if in_stream.startswith(b"PK\x03\x04"):
            lines = _xlsx_lines(in_stream)
        elif in_stream.startswith(b"\xd0\xcf\x11\xe0"):
            raise Unreadable(
                _("This is a file of an old Excel (.xls). Save it as .xlsx or CSV and try again.")
            )
        else:
            lines = _csv_lines(in_stream)
        while lines and _is_empty(lines[-1]):
            lines.pop()
        if not lines:
            raise Unreadable(_("This file is empty."))
        width = max(len(line) for line in lines)
        padded = [[*line, *[None] * (width - len(line))] for line in lines]
        return Dataset(*padded[1:], headers=["" if cell is None else str(cell) for cell in padded[0]])


def _xlsx_lines(data: bytes) -> list[list[Any]]:
    try:
        with zipfile.ZipFile(BytesIO(data)) as parts:
            if sum(part.file_size for part in parts.infolist()) > UNPACKED_BYTES:
                raise Unreadable(_("This spreadsheet is too large."))
        book = openpyxl.load_workbook(BytesIO(data), read_only=True, data_only=True)
        try:
            sheet = book.worksheets[0]
            # Some programs write a wrong size of the sheet into it.
            sheet.reset_dimensions()
            lines: list[list[Any]] = []
            for line in sheet.iter_rows(values_only=True):
                lines.append(list(line))
                if len(lines) > MAX_ROWS + 1000:
                    break
            return lines
        finally:
            book.close()
    except Unreadable:
        raise
    except Exception as error:
        # What a damaged file raises differs from fault to fault, and none of it is ours.
        raise Unreadable(_("This spreadsheet is damaged, or protected by a password.")) from error


def _csv_lines(data: bytes) -> list[list[Any]]:
    text = _decoded(data)
    if "\x00" in text:
        raise Unreadable(_("This is neither a spreadsheet (.xlsx) nor a CSV file."))
    first = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=first.count)
    try:
        csv.field_size_limit(1_000_000)
        return [list(line) for line in csv.reader(StringIO(text, newline=""), delimiter=delimiter)]
    except csv.Error as error:
        raise Unreadable(_("This CSV file is damaged: %(words)s") % {"words": error}) from error


def _decoded(data: bytes) -> str:
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        encodings: tuple[str, ...] = ("utf-16",)
    else:
        encodings = ("utf-8-sig", "gb18030")
    for encoding in encodings:
        try:
            return data.decode(encoding)
        except UnicodeDecodeError:
            continue
    raise Unreadable(
        _("The letters of this file are in no encoding that we know. Save it as CSV UTF-8, or as .xlsx.")
    )


def _is_empty(cells: Sequence[Any]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def read(dataset: Dataset, columns: Sequence[Column], required: Sequence[str]) -> Sheet:
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
        return Sheet([], problems)
    read_columns = {column.name for column in columns if column.is_read}
    rows = [
        Row(number, {name: line[place] for name, place in places.items() if name in read_columns})
        for number, line in enumerate(lines, start=2)
        if not _is_empty(line)
    ]
    return Sheet(rows, [] if rows else [_("There are no rows below the names of the columns.")])


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
    """Raises CellProblem for a spreadsheet's error."""
    if cell is None:
        return ""
    if isinstance(cell, bool):
        return "1" if cell else "0"
    if isinstance(cell, float) and cell.is_integer():
        return str(int(cell))
    if isinstance(cell, datetime):
        return f"{cell:%Y-%m-%d}"
    text = str(cell)
    if text.strip() in _ERRORS:
        raise CellProblem(_("A formula has failed here: %(words)s") % {"words": text.strip()})
    # What was taken away has an apostrophe before what looks like a formula (chat.exports).
    return text[1:] if text.startswith("'") and text[1:].startswith(("'", *STARTERS)) else text


def day_of(cell: Any) -> date | None:
    """A day as people and spreadsheets write it. Raises CellProblem."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    if isinstance(cell, int | float) and not isinstance(cell, bool) and 20_000 < cell < 80_000:
        # Where the cell was not marked as a day, its number: days since the end of 1899.
        return date(1899, 12, 30) + timedelta(days=int(cell))
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
