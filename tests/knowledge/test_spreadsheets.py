"""Tests of imported spreadsheets: cells are read as displayed or refused with their position, and limits are kept."""

from __future__ import annotations

import resource
import zipfile
from collections.abc import Callable
from datetime import date, datetime
from io import BytesIO
from typing import Any

import openpyxl
import pytest
from django.utils import translation
from hypothesis import given
from hypothesis import strategies as st
from openpyxl.worksheet.worksheet import Worksheet
from tablib import Dataset

from chat.archive.exports import CsvFile, XlsxFile, quote_formula
from knowledge.import_export.cells import MAX_COLUMNS, MAX_LINES, CellProblem, UnreadableFile
from knowledge.import_export.numbers import shown_number
from knowledge.import_export.sheets import SheetFile, cell_bool, cell_date, cell_text


@pytest.fixture(autouse=True)
def _in_english() -> Any:
    with translation.override("en"):
        yield


def workbook(change: Callable[[Worksheet], None], **options: Any) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    change(sheet)
    content = BytesIO()
    book.save(content)
    return content.getvalue()


def with_rows(*rows: list[Any]) -> Callable[[Worksheet], None]:
    def change(sheet: Worksheet) -> None:
        for row in rows:
            sheet.append(row)

    return change


def read(data: bytes) -> Dataset:
    return SheetFile().create_dataset(data)


def first_cell(value: Any, number_format: str = "General") -> Any:
    def change(sheet: Worksheet) -> None:
        sheet["A1"] = "key"
        sheet["A2"] = value
        sheet["A2"].number_format = number_format

    return read(workbook(change))[0][0]


# -- Cells as displayed ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("value", "number_format", "shown"),
    [
        (1, "0000", "0001"),
        (1, "General", "1"),
        (1.0, "General", "1"),
        (1.1, "0.00", "1.10"),
        (1.1, "General", "1.1"),
        (0.1 + 0.2, "General", "0.3"),
        (0.035, "0.0%", "3.5%"),
        (0.5, "0%", "50%"),
        (12345.5, "#,##0.00", "12,345.50"),
        (1234567, "#,##0", "1,234,567"),
        (2.5, "0", "3"),
        (-7, "000", "-007"),
        (20260105, "General", "20260105"),
        (99999999999, "General", "99999999999"),
        (True, "General", "TRUE"),
        ("0001", "@", "0001"),
        ("=1+1 as text", "@", None),
    ],
)
def test_cell_text_returns_a_number_as_its_format_displays_it(
    value: Any, number_format: str, shown: str | None
) -> None:
    cell = first_cell(value, number_format)
    if shown is None:
        with pytest.raises(CellProblem, match="formula"):
            cell_text(cell)
    else:
        assert cell_text(cell) == shown


@pytest.mark.parametrize(
    ("value", "number_format", "message"),
    [
        (6222020000000001, "General", "number this long"),
        (6222020000000001, "0", "number this long"),
        (123456789012, "General", "number this long"),
        (1e-9, "General", "number this long"),
        (5, '"A-"0000', "isn't supported"),
        (5, "0.00E+00", "isn't supported"),
        (5, "[Red]0", "isn't supported"),
        (0.5, "h:mm", "isn't supported"),
        (date(2026, 1, 5), "yyyy-mm-dd", "date, not text"),
    ],
)
def test_cell_text_refuses_a_number_whose_display_is_uncertain(
    value: Any, number_format: str, message: str
) -> None:
    with pytest.raises(CellProblem, match=message):
        cell_text(first_cell(value, number_format))


@pytest.mark.parametrize(
    "number_format", ["yyyy-mm-dd", "yyyy/m/d", "d.m.yy", 'yyyy"年"m"月"d"日"', "mm-dd-yy"]
)
def test_cell_date_reads_every_date_format(number_format: str) -> None:
    assert cell_date(first_cell(datetime(2026, 1, 5), number_format)) == date(2026, 1, 5)  # noqa: DTZ001


def test_cell_date_reads_dates_of_the_1904_system() -> None:
    book = openpyxl.Workbook()
    book.epoch = openpyxl.utils.datetime.CALENDAR_MAC_1904
    sheet = book.active
    assert isinstance(sheet, Worksheet)
    sheet["A1"], sheet["A2"] = "valid_until", datetime(2026, 1, 5)  # noqa: DTZ001
    content = BytesIO()
    book.save(content)
    assert cell_date(read(content.getvalue())[0][0]) == date(2026, 1, 5)


def test_cell_date_refuses_a_plain_number() -> None:
    with pytest.raises(CellProblem):
        cell_date(first_cell(46023))


def test_cell_bool_reads_booleans_of_a_spreadsheet() -> None:
    assert cell_bool(first_cell(True))
    assert not cell_bool(first_cell(False))


def test_cell_text_refuses_an_error() -> None:
    with pytest.raises(CellProblem, match="failed"):
        cell_text(first_cell("#N/A"))


def test_cell_text_refuses_a_formula_without_a_result() -> None:
    with pytest.raises(CellProblem, match="no result"):
        cell_text(first_cell("=1+1"))


def test_cell_merged_over_rows_is_read_in_each_row() -> None:
    def change(sheet: Worksheet) -> None:
        with_rows(["key", "valid_until"], ["a", "2026-01-31"], ["b", None], ["c", None])(sheet)
        sheet.merge_cells("B2:B4")

    assert [row[1] for row in read(workbook(change))] == ["2026-01-31"] * 3


def test_cell_merged_over_columns_is_refused() -> None:
    def change(sheet: Worksheet) -> None:
        with_rows(["key", "title", "answer"], ["a", "both", None])(sheet)
        sheet.merge_cells("B2:C2")

    for cell in read(workbook(change))[0][1:]:
        with pytest.raises(CellProblem, match="merged"):
            cell_text(cell)


def test_hidden_rows_and_columns_with_content_are_refused_by_name() -> None:
    def with_hidden_row(sheet: Worksheet) -> None:
        with_rows(["key"], ["a"], ["b"])(sheet)
        sheet.row_dimensions[3].hidden = True

    def with_hidden_column(sheet: Worksheet) -> None:
        with_rows(["key", "title"], ["a", "b"])(sheet)
        sheet.column_dimensions["B"].hidden = True

    with pytest.raises(UnreadableFile, match="Row 3 is hidden"):
        read(workbook(with_hidden_row))
    with pytest.raises(UnreadableFile, match="Column B is hidden"):
        read(workbook(with_hidden_column))


def test_second_sheet_is_refused_by_name_unless_empty_or_hidden() -> None:
    def change(sheet: Worksheet) -> None:
        with_rows(["key"], ["a"])(sheet)
        book: Any = sheet.parent
        book.create_sheet("Empty")
        other = book.create_sheet("Other")
        other["A1"] = "key"

    def hide(sheet: Worksheet) -> None:
        change(sheet)
        book: Any = sheet.parent
        book["Other"].sheet_state = "hidden"

    with pytest.raises(UnreadableFile, match="Other"):
        read(workbook(change))
    assert read(workbook(hide))[0] == ("a",)


def test_rich_text_is_read_as_one_text() -> None:
    from openpyxl.cell.rich_text import CellRichText, TextBlock
    from openpyxl.cell.text import InlineFont

    assert first_cell(CellRichText("one ", TextBlock(InlineFont(b=True), "bold"), " word")) == "one bold word"


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"]), max_size=40), min_size=1, max_size=4))
def test_exported_texts_are_imported_unchanged(texts: list[str]) -> None:
    for file in (XlsxFile(), CsvFile()):
        if isinstance(file, CsvFile) and any("\x00" in text for text in texts):
            continue  # Skip NUL: our texts never contain it, and a CSV file with NUL is refused.
        table = Dataset(headers=["key", *(f"column {number}" for number, _text in enumerate(texts))])
        table.append(["row", *(quote_formula(text) for text in texts)])
        data = file.export_data(table)
        imported = [cell_text(cell) for cell in read(data)[0][1:]]
        imported += [""] * (len(texts) - len(imported))
        expected = ["" if not text.strip() else text for text in texts]
        assert ["" if not text.strip() else text for text in imported] == expected


def test_text_that_looks_like_an_escape_is_imported_unchanged() -> None:
    table = Dataset(["a", "_x000D_ and \r\n"], headers=["key", "answer"])
    assert read(XlsxFile().export_data(table))[0][1] == "_x000D_ and \r\n"


# -- Limits ----------------------------------------------------------------------------------------------------------

SHEET = "xl/worksheets/sheet1.xml"
NS = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'


def with_part(part: str, content: bytes, base: bytes | None = None) -> bytes:
    """Return the bytes of an XLSX workbook in which one part (a file inside the archive) is replaced or added."""
    source = zipfile.ZipFile(BytesIO(base or workbook(with_rows(["key"], ["a"]))))
    target = BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in source.namelist():
            archive.writestr(name, content if name == part else source.read(name))
        if part not in source.namelist():
            archive.writestr(part, content)
    return target.getvalue()


def sheet_xml(inner: str) -> bytes:
    return f"<worksheet {NS}><sheetData>{inner}</sheetData></worksheet>".encode()


def cell_beyond_columns() -> bytes:
    rows = "".join(f'<row r="{n}"><c r="XFD{n}" t="str"><v>x</v></c></row>' for n in range(1, 2001))
    return with_part(SHEET, sheet_xml(rows))


def million_empty_rows() -> bytes:
    return with_part(SHEET, sheet_xml("<row/>" * 1_200_000))


def many_strings() -> bytes:
    return with_part("xl/sharedStrings.xml", f"<sst {NS}>{'<si/>' * 1_200_000}</sst>".encode())


def strings_of_many_runs() -> bytes:
    runs = "<si>" + "<r><t>x</t></r>" * 150_000 + "</si>"
    return with_part("xl/sharedStrings.xml", f"<sst {NS}>{runs}</sst>".encode())


def nested_elements() -> bytes:
    return with_part(SHEET, sheet_xml("<a>" * 100_000 + "</a>" * 100_000))


def ignored_elements() -> bytes:
    return with_part(SHEET, sheet_xml("<b/>" * 1_200_000))


def entities() -> bytes:
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    return with_part(SHEET, bomb.encode() + sheet_xml('<row><c t="str"><v>&b;</v></c></row>'))


def huge_text() -> bytes:
    return with_part(SHEET, sheet_xml(f'<row><c t="str"><v>{"x" * 60_000_000}</v></c></row>'))


def unpacked_too_large() -> bytes:
    return with_part("xl/media/zeros.bin", bytes(120_000_000))


def many_merged() -> bytes:
    merged = "".join(f'<mergeCell ref="A{n}:A{n + 1}"/>' for n in range(1, 60_001, 2))
    inner = f'<worksheet {NS}><sheetData><row><c t="str"><v>key</v></c></row></sheetData>'
    return with_part(SHEET, f"{inner}<mergeCells>{merged}</mergeCells></worksheet>".encode())


def row_too_far_down() -> bytes:
    return with_part(SHEET, sheet_xml('<row r="1048576"><c r="A1048576" t="str"><v>x</v></c></row>'))


def wide_csv() -> bytes:
    return b"key" + b",x" * 18_278 + b"\n"


def long_csv() -> bytes:
    return b"key\n" + b"a\n" * (MAX_LINES + 5)


def long_csv_cell() -> bytes:
    return b'key\n"' + b"a" * 1_000_000 + b'"\n'


HOSTILE = [
    cell_beyond_columns, million_empty_rows, many_strings, strings_of_many_runs, nested_elements,
    ignored_elements, entities, huge_text, unpacked_too_large, many_merged, row_too_far_down,
    wide_csv, long_csv, long_csv_cell,
]  # fmt: skip


@pytest.mark.parametrize("make", HOSTILE)
def test_hostile_file_is_refused_with_a_message_within_bounded_memory(make: Callable[[], bytes]) -> None:
    data = make()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UnreadableFile) as refused:
        read(data)
    grown_kilobytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert str(refused.value)
    assert grown_kilobytes < 250_000


def test_cell_beyond_the_columns_is_named() -> None:
    with pytest.raises(UnreadableFile, match=r"Row 1\b.*XFD"):
        read(cell_beyond_columns())


def test_large_table_within_the_limits_is_read() -> None:
    rows = [["key", *(f"c{n}" for n in range(14))]] + [["k", *["内容"] * 14]] * 5000
    assert len(read(workbook(with_rows(*rows)))) == 5000
    assert MAX_COLUMNS > 40


@given(st.integers(-(10**14), 10**14), st.integers(1, 8))
def test_shown_number_pads_with_zeros(number: int, zeros: int) -> None:
    shown = shown_number(str(number), "0" * zeros)
    assert isinstance(shown, str)
    assert int(shown) == number
    assert len(shown.lstrip("-")) >= zeros


# -- CSV -------------------------------------------------------------------------------------------------------------


def test_damaged_utf8_file_is_refused_and_not_decoded_as_gb18030() -> None:
    text = "key,title\na,卡丢了怎么办\nb,挂失要带什么证件\n"
    assert len(read(text.encode("gb18030"))) == len(read(text.encode())) == 2
    damaged = text.encode().replace("证".encode(), "证".encode()[:2] + b"\xff")
    with pytest.raises(UnreadableFile, match="encoding"):
        read(damaged)
    with pytest.raises(UnreadableFile, match="encoding"):
        read(b"\xef\xbb\xbf" + text.encode("gb18030"))


def test_csv_file_with_an_unclosed_quote_is_refused() -> None:
    with pytest.raises(UnreadableFile, match="damaged"):
        read(b'key,title\na,"open\nb,two\nc,three\n')
