"""Reads the one sheet of an XLSX file as a person sees it. Reading stops as soon as a limit is exceeded.

openpyxl, which writes our exports, is not suitable for reading: it drops the escapes of texts (`_x000D_`), does not
tell how a cell is displayed, and allocates memory for cells that a file only claims to have. Few parts of ECMA-376
matter here: shared strings (18.4), number formats (18.8), cells, merged cells and hidden rows and columns (18.3).
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from io import BytesIO
from typing import IO, Any
from xml.etree.ElementTree import Element

from defusedxml.ElementTree import iterparse
from django.utils.translation import gettext as _
from openpyxl.styles.numbers import BUILTIN_FORMATS, is_date_format
from openpyxl.utils import get_column_letter
from openpyxl.utils.cell import column_index_from_string, coordinate_from_string, range_boundaries
from openpyxl.utils.datetime import CALENDAR_MAC_1904, CALENDAR_WINDOWS_1900, from_excel

from knowledge.import_export.cells import (
    MAX_CELL_CHARACTERS,
    MAX_COLUMNS,
    MAX_LINES,
    UnclearCell,
    UnreadableFile,
)
from knowledge.import_export.numbers import format_is_unclear, shown_number

# Limits of the whole file: unpacked bytes, parts of the archive, shared strings and cells.
UNPACKED_BYTES = 100 * 1024 * 1024
MAX_PARTS = 2_000
MAX_STRINGS = 400_000
MAX_CELLS = 400_000
# The maximum number of rows, including empty ones.
MAX_ROW_ELEMENTS = 100_000
# The maximum number of XML elements in all parts together, and in one row or text.
MAX_ELEMENTS = 1_600_000
MAX_ELEMENTS_PER_GROUP = 200_000
# The maximum number of elements that this module does not read.
MAX_IGNORED = 50_000
# The maximum nesting of XML elements.
MAX_DEPTH = 50
# The maximum number of characters of all texts together.
MAX_CHARACTERS = 40_000_000
MAX_MERGED = 20_000

_ESCAPE = re.compile("_x([0-9A-Fa-f]{4})_")


def read_rows(data: bytes) -> list[list[Any]]:
    """Return the rows of the sheet: texts as displayed, dates, booleans, None, and UnclearCell for ambiguous cells.

    Raises UnreadableFile with the reason, and with the row or column if the reason lies in one.
    """
    try:
        with zipfile.ZipFile(BytesIO(data)) as archive:
            return _Workbook(archive).sheet_rows()
    except UnreadableFile:
        raise
    except Exception as error:
        # A damaged file can raise almost any exception.
        raise UnreadableFile(_("This spreadsheet is damaged, or protected by a password.")) from error


def _name(node: Element) -> str:
    return node.tag.rpartition("}")[2]


@dataclass
class _Sheet:
    """The parts of a sheet that are read. Rows and columns are numbered from 1."""

    rows: dict[int, dict[int, Any]] = field(default_factory=dict)
    merged: list[tuple[int, int, int, int]] = field(default_factory=list)
    hidden_columns: set[int] = field(default_factory=set)
    hidden_rows: set[int] = field(default_factory=set)


class _Workbook:
    def __init__(self, archive: zipfile.ZipFile) -> None:
        self._archive = archive
        self._cells = self._characters = self._elements = self._rows = 0
        parts = archive.infolist()
        if len(parts) > MAX_PARTS or sum(part.file_size for part in parts) > UNPACKED_BYTES:
            raise UnreadableFile(_("This spreadsheet is too large."))
        self._epoch: Any = CALENDAR_WINDOWS_1900
        self._formats: list[str] = []
        self._whole_tags: dict[str, bool] = {}
        self._strings: list[str] = []

    def sheet_rows(self) -> list[list[Any]]:
        parts = self._sheet_parts()
        self._read_formats()
        self._read_strings()
        filled = [(name, sheet) for name, part in parts if (sheet := self._read_sheet(part)).rows]
        if len(filled) > 1:
            names = ", ".join(f"“{name[:31]}”" for name, _sheet in filled)
            raise UnreadableFile(
                _("Several sheets have content: %(names)s. Keep only one.") % {"names": names}
            )
        return _rows_of(filled[0][1]) if filled else []

    # -- Parts -----------------------------------------------------------------------------------------------------

    def _events(self, name: str) -> Iterator[tuple[str, Element]]:
        """Yield each complete element whose tag is in `_WHOLE`, then remove it, to keep the parsed tree small."""
        with self._archive.open(name) as part:
            limited: Any = _LimitedPart(part)
            path: list[Element] = []
            # The numbers of open elements that are read as a whole, of elements kept in the tree, and of ignored
            # elements.
            whole = kept = ignored = 0
            for event, node in iterparse(limited, events=("start", "end"), forbid_dtd=True):
                is_whole = self._is_whole(node.tag)
                if event == "start":
                    path.append(node)
                    whole += is_whole
                    kept += 1
                    ignored += not whole
                    self._elements += 1
                    is_too_large = self._elements > MAX_ELEMENTS or ignored > MAX_IGNORED
                    if is_too_large or kept > MAX_ELEMENTS_PER_GROUP or len(path) > MAX_DEPTH:
                        raise UnreadableFile(_("This spreadsheet is too large."))
                    continue
                path.pop()
                whole -= is_whole
                if is_whole:
                    yield event, node
                if not whole:
                    kept = 0
                    node.clear()
                    if path:
                        path[-1].remove(node)

    def _is_whole(self, tag: str) -> bool:
        known = self._whole_tags.get(tag)
        if known is None:
            known = self._whole_tags[tag] = tag.rpartition("}")[2] in _WHOLE
        return known

    def _sheet_parts(self) -> list[tuple[str, str]]:
        """Return, for each visible sheet, its name and the name of its part of the archive."""
        targets = {}
        for _event, node in self._events("xl/_rels/workbook.xml.rels"):
            if _name(node) == "Relationship":
                targets[node.get("Id")] = node.get("Target", "")
        sheets = []
        for _event, node in self._events("xl/workbook.xml"):
            if _name(node) == "workbookPr" and node.get("date1904") in ("1", "true"):
                self._epoch = CALENDAR_MAC_1904
            elif _name(node) == "sheet" and node.get("state", "visible") == "visible":
                key = next(value for name, value in node.items() if name.endswith("}id"))
                target = targets[key]
                part = target.lstrip("/") if target.startswith("/") else f"xl/{target}"
                if "worksheets/" in part:
                    sheets.append((node.get("name", ""), part))
        return sheets

    def _read_formats(self) -> None:
        """Read the number format of every cell style."""
        if "xl/styles.xml" not in self._archive.namelist():
            return
        custom: dict[int, str] = {}
        ids: list[int] = []
        for _event, node in self._events("xl/styles.xml"):
            if _name(node) == "numFmt" and node.get("numFmtId"):
                custom[int(node.get("numFmtId", ""))] = node.get("formatCode", "")
            elif _name(node) == "cellXfs":
                ids = [int(style.get("numFmtId", "0")) for style in node]
        self._formats = [custom.get(number, BUILTIN_FORMATS.get(number, "General")) for number in ids]

    def _read_strings(self) -> None:
        if "xl/sharedStrings.xml" not in self._archive.namelist():
            return
        for _event, node in self._events("xl/sharedStrings.xml"):
            if _name(node) == "si":
                if len(self._strings) >= MAX_STRINGS:
                    raise UnreadableFile(_("This spreadsheet is too large."))
                self._strings.append(self._text(node))

    def _text(self, node: Element) -> str:
        """Return a text: its runs joined, without phonetic hints, and with its escapes decoded."""
        parts = [child.text or "" for child in node if _name(child) == "t"]
        for run in node:
            if _name(run) == "r":
                parts += [child.text or "" for child in run if _name(child) == "t"]
        text = "".join(parts)
        self._characters += len(text)
        if self._characters > MAX_CHARACTERS:
            raise UnreadableFile(_("This spreadsheet is too large."))
        return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), text)

    # -- One sheet -------------------------------------------------------------------------------------------------

    def _read_sheet(self, part: str) -> _Sheet:
        sheet = _Sheet()
        row = 0
        for _event, node in self._events(part):
            match _name(node):
                case "row":
                    self._rows += 1
                    if self._rows > MAX_ROW_ELEMENTS:
                        raise UnreadableFile(_("This spreadsheet is too large."))
                    row = int(node.get("r") or row + 1)
                    self._read_row(sheet, row, node)
                case "col" if node.get("hidden") in ("1", "true"):
                    first, last = int(node.get("min", "1")), int(node.get("max", "1"))
                    sheet.hidden_columns |= set(range(first, min(last, MAX_COLUMNS) + 1))
                case "mergeCell":
                    left, top, right, bottom = range_boundaries(node.get("ref", ""))
                    if left is None or top is None or right is None or bottom is None:
                        raise ValueError("a merged cell without coordinates")
                    sheet.merged.append((top, bottom, left, right))
                    if len(sheet.merged) > MAX_MERGED:
                        raise UnreadableFile(_("This spreadsheet is too large."))
        return sheet

    def _read_row(self, sheet: _Sheet, row: int, node: Element) -> None:
        if node.get("hidden") in ("1", "true"):
            sheet.hidden_rows.add(row)
        column = 0
        cells: dict[int, Any] = {}
        for cell in node:
            if _name(cell) != "c":
                continue
            reference = cell.get("r")
            column = (
                column_index_from_string(coordinate_from_string(reference)[0]) if reference else column + 1
            )
            self._cells += 1
            if self._cells > MAX_CELLS:
                raise UnreadableFile(_("This spreadsheet is too large."))
            value = self._value(cell)
            if value is None or (isinstance(value, str) and not value.strip()):
                continue
            _check_limits(row, column)
            if isinstance(value, str) and len(value) > MAX_CELL_CHARACTERS:
                raise UnreadableFile(
                    _("Row %(row)d, column %(letter)s has more than %(count)d characters.")
                    % {"row": row, "letter": get_column_letter(column), "count": MAX_CELL_CHARACTERS}
                )
            cells[column] = value
        if cells:
            sheet.rows[row] = cells

    def _value(self, cell: Element) -> Any:
        kind = cell.get("t", "n")
        parts = {_name(child): child for child in cell}
        if kind == "inlineStr":
            return self._text(parts["is"]) if "is" in parts else None
        raw = parts["v"].text if "v" in parts else None
        if raw is None:
            if "f" in parts and kind != "str":
                return UnclearCell(
                    _(
                        "The formula in this cell has no result yet. Open the file in a spreadsheet program, save it"
                        " and import it again."
                    )
                )
            return None
        match kind:
            case "s":
                return self._strings[int(raw)]
            case "str":
                return _ESCAPE.sub(lambda match: chr(int(match[1], 16)), raw)
            case "b":
                return raw in ("1", "true")
            case "e":
                return UnclearCell(_("A formula in this cell failed: %(words)s") % {"words": raw[:20]})
            case "d":
                return raw
        style = int(cell.get("s", "0"))
        number_format = self._formats[style] if style < len(self._formats) else "General"
        return self._number(raw, number_format)

    def _number(self, raw: str, number_format: str) -> Any:
        if is_date_format(number_format):
            value = from_excel(float(raw), self._epoch)
            return (
                value
                if hasattr(value, "year") and "d" in number_format.lower()
                else format_is_unclear(number_format)
            )
        return shown_number(raw, number_format)


# Elements that are read as a whole, with their children.
_WHOLE = {"si", "row", "sheet", "Relationship", "numFmt", "cellXfs", "col", "mergeCell", "workbookPr"}


class _LimitedPart:
    """A part of the archive of which at most UNPACKED_BYTES are read, even if it claims a smaller size."""

    def __init__(self, part: IO[bytes]) -> None:
        self._part = part
        self._left = UNPACKED_BYTES

    def read(self, size: int = 65536) -> bytes:
        data = self._part.read(size)
        self._left -= len(data)
        if self._left < 0:
            raise UnreadableFile(_("This spreadsheet is too large."))
        return data


def _check_limits(row: int, column: int) -> None:
    if row > MAX_LINES:
        raise UnreadableFile(
            _("Row %(row)d has content, but at most %(count)d rows are allowed.")
            % {"row": row, "count": MAX_LINES}
        )
    if column > MAX_COLUMNS:
        raise UnreadableFile(
            _("Row %(row)d: column %(letter)s has content, but at most %(count)d columns are allowed.")
            % {"row": row, "letter": get_column_letter(column), "count": MAX_COLUMNS}
        )


def _rows_of(sheet: _Sheet) -> list[list[Any]]:
    """Return the rows at equal width, with merged cells filled. Raises UnreadableFile for hidden content."""
    for row in sorted(sheet.rows):
        if row in sheet.hidden_rows:
            raise UnreadableFile(_("Row %(row)d is hidden. Show it or delete it.") % {"row": row})
        if hidden := sheet.hidden_columns & sheet.rows[row].keys():
            letter = get_column_letter(min(hidden))
            raise UnreadableFile(_("Column %(letter)s is hidden. Show it or delete it.") % {"letter": letter})
    for first_row, last_row, first_column, last_column in sheet.merged:
        value = sheet.rows.get(first_row, {}).get(first_column)
        if value is None:
            continue
        if last_column > first_column:
            value = UnclearCell(_("This cell is merged across several columns. Unmerge it."))
        for row in range(first_row, min(last_row, MAX_LINES) + 1):
            # Skip rows of the merged area that have no other cell, because they are not rows of the table.
            if row == first_row or row in sheet.rows:
                cells = sheet.rows[row]
                cells |= dict.fromkeys(range(first_column, min(last_column, MAX_COLUMNS) + 1), value)
    last = max(sheet.rows)
    width = max(max(cells) for cells in sheet.rows.values())
    empty: dict[int, Any] = {}
    return [
        [sheet.rows.get(row, empty).get(column) for column in range(1, width + 1)]
        for row in range(1, last + 1)
    ]
