"""Reads table files: CSV in any usual encoding, or XLSX. Columns are found by their names."""

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

_DATE_FORMATS = (
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
    """A column of a table. The first row of a file may have its `name`, or its `label` in any of our languages."""

    name: str
    label: str | Promise
    # False for export-only columns, which an import ignores.
    is_read: bool = True


@dataclass(frozen=True)
class TableRow:
    """A row of a file. `number` counts from 1, like the rows of a spreadsheet; `cells` is a dict by column name."""

    number: int
    cells: dict[str, Any]


@dataclass(frozen=True)
class TableFile:
    """The rows of a file. If the file as a whole has `problems`, there are no rows."""

    rows: list[TableRow]
    problems: list[str]


class SheetFile(CsvFile):
    """An uploaded file. Its content decides the format: XLSX, or CSV in UTF-8, UTF-16 or GB 18030 (Chinese Excel)."""

    def get_title(self) -> str:
        return "XLSX, CSV"

    def get_read_mode(self) -> str:
        return "rb"

    def create_dataset(self, in_stream: bytes, **kwargs: Any) -> Dataset:
        if in_stream.startswith(b"PK\x03\x04"):
            rows = xlsx.read_rows(in_stream)
        elif in_stream.startswith(b"\xd0\xcf\x11\xe0"):
            raise UnreadableFile(
                _("This is an old Excel file (.xls). Save it as .xlsx or CSV and try again.")
            )
        else:
            rows = _csv_rows(in_stream)
        while rows and _is_empty(rows[-1]):
            rows.pop()
        if not rows:
            raise UnreadableFile(_("This file is empty."))
        width = max(len(row) for row in rows)
        padded = [[*row, *[None] * (width - len(row))] for row in rows]
        return Dataset(*padded[1:], headers=["" if cell is None else str(cell) for cell in padded[0]])


def _csv_rows(data: bytes) -> list[list[Any]]:
    """Return the rows of a CSV file. Raises UnreadableFile at the first row beyond a limit."""
    text = _decode(data)
    if "\x00" in text:
        raise UnreadableFile(_("This is neither a spreadsheet (.xlsx) nor a CSV file."))
    header = text.split("\n", 1)[0]
    delimiter = max(",;\t", key=header.count)
    rows: list[list[Any]] = []
    csv.field_size_limit(MAX_CELL_CHARACTERS)
    try:
        for number, row in enumerate(
            csv.reader(StringIO(text, newline=""), delimiter=delimiter, strict=True), start=1
        ):
            if _is_empty(row):
                row = []
            elif number > MAX_LINES:
                raise UnreadableFile(
                    _("Row %(row)d has content, but at most %(count)d rows are allowed.")
                    % {"row": number, "count": MAX_LINES}
                )
            elif len(row) > MAX_COLUMNS:
                raise UnreadableFile(
                    _("Row %(row)d has %(count)d columns, which is too many.")
                    % {"row": number, "count": len(row)}
                )
            if number <= MAX_LINES:
                rows.append(row)
    except csv.Error as error:
        raise UnreadableFile(_("This CSV file is damaged: %(words)s") % {"words": error}) from error
    return rows


def _decode(data: bytes) -> str:
    """Return the text of a CSV file. Raises UnreadableFile if the encoding is uncertain and characters could be
    wrong."""
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
    raise UnreadableFile(_("Unknown text encoding. Save the file as CSV UTF-8 or as .xlsx."))


def _is_damaged_utf8(data: bytes) -> bool:
    """Return whether the data is UTF-8 with a few damaged bytes. Decoding it as GB 18030 would make all characters
    wrong.

    A text in GB 18030 that is decoded as UTF-8 becomes mostly replacement characters; a damaged UTF-8 text gets only a
    few.
    """
    characters = [character for character in data.decode("utf-8", "replace") if character > "\x7f"]
    damaged = characters.count("\ufffd")
    return 0 < damaged <= len(characters) // 5


def _is_empty(cells: Sequence[Any]) -> bool:
    return all(cell is None or (isinstance(cell, str) and not cell.strip()) for cell in cells)


def parse_table(dataset: Dataset, columns: Sequence[Column], required: Sequence[str]) -> TableFile:
    """Return the rows that are not empty.

    If a `required` column is missing, a column name is unknown or occurs twice, or there are too many rows, the result
    has `problems` instead of rows.
    """
    known = _column_names(columns)
    problems: list[str] = []
    positions: dict[str, int] = {}
    headers = [str(header or "").strip().strip("\ufeff").strip() for header in dataset.headers or []]
    rows = list(dataset)
    for position, header in enumerate(headers):
        letter = get_column_letter(position + 1)
        name = known.get(header.casefold())
        if not header:
            if not _is_empty([row[position] for row in rows]):
                problems.append(_("Column %(letter)s has no name in the first row.") % {"letter": letter})
        elif name is None:
            problems.append(
                _("Column %(letter)s: the column name “%(name)s” is unknown.")
                % {"letter": letter, "name": header[:40]}
            )
        elif name in positions:
            problems.append(
                _("Column %(letter)s: the column name “%(name)s” occurs twice.")
                % {"letter": letter, "name": header}
            )
        else:
            positions[name] = position
    labels = {column.name: str(column.label) for column in columns}
    missing = [labels[name] for name in required if name not in positions]
    if missing:
        problems.append(_("These columns are missing: %(names)s.") % {"names": ", ".join(missing)})
    if problems:
        names = ", ".join(str(column.label) for column in columns if column.is_read)
        problems.append(
            _("The first row must contain column names. Available columns: %(names)s.") % {"names": names}
        )
    if len(rows) > MAX_ROWS:
        problems.append(_("A file can have at most %(count)d rows.") % {"count": MAX_ROWS})
    if problems:
        return TableFile([], problems)
    read_columns = {column.name for column in columns if column.is_read}
    table_rows = [
        TableRow(
            number, {name: row[position] for name, position in positions.items() if name in read_columns}
        )
        for number, row in enumerate(rows, start=2)
        if not _is_empty(row)
    ]
    return TableFile(table_rows, [] if table_rows else [_("There are no rows below the column names.")])


def _column_names(columns: Sequence[Column]) -> dict[str, str]:
    names: dict[str, str] = {}
    for column in columns:
        names[column.name.casefold()] = column.name
        for language in ("zh-hans", "en"):
            with translation.override(language):
                names[str(column.label).casefold()] = column.name
    return names


# -- Cells -----------------------------------------------------------------------------------------------------------


def cell_text(cell: Any) -> str:
    """Return the text of a cell as displayed. Raises CellProblem if that text is uncertain or is the error of a
    formula."""
    if cell is None:
        return ""
    if isinstance(cell, UnclearCell):
        raise CellProblem(cell.reason)
    if isinstance(cell, bool):
        return "TRUE" if cell else "FALSE"
    if isinstance(cell, date):
        raise CellProblem(_("This is a date, not text. Format the column as text and enter it again."))
    text = str(cell)
    if text.strip() in _ERRORS:
        raise CellProblem(_("A formula in this cell failed: %(words)s") % {"words": text.strip()})
    # An export puts an apostrophe before a text that looks like a formula (chat.archive.exports).
    return text[1:] if text.startswith("'") and text[1:].startswith(("'", *STARTERS)) else text


def cell_date(cell: Any) -> date | None:
    """Return the date in a cell, in any usual notation, or None if it is empty. Raises CellProblem."""
    if isinstance(cell, datetime):
        return cell.date()
    if isinstance(cell, date):
        return cell
    text = cell_text(cell).strip()
    if not text:
        return None
    for date_format in _DATE_FORMATS:
        try:
            return datetime.strptime(text, date_format).date()  # noqa: DTZ007  (a date has no time zone)
        except ValueError:
            continue
    raise CellProblem(_("“%(text)s” is not a date. Write it like this: 2026-01-31") % {"text": text[:30]})


def cell_bool(cell: Any) -> bool:
    """Return whether a cell says yes; an empty cell says no. Raises CellProblem."""
    text = cell_text(cell).strip().casefold()
    if text in _YES:
        return True
    if text in _NO:
        return False
    raise CellProblem(_("“%(text)s” is not allowed here. Write yes or no.") % {"text": text[:30]})


def cell_lines(cell: Any) -> list[str]:
    """Return the texts in a cell, which are on separate lines, or on one line separated by |."""
    text = cell_text(cell)
    parts = text.splitlines() if "\n" in text else text.split("|")
    return [part.strip() for part in parts if part.strip()]


def join_lines(texts: Sequence[str]) -> str:
    """Join texts into a cell that `cell_lines` splits into the same texts."""
    return "\n".join(texts) + ("\n" if len(texts) == 1 and "|" in texts[0] else "")
