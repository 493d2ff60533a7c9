"""Tests of points and branches in admin: import with preview, export, the list, and the forms."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.test import Client, override_settings

from accounts.approvals.errors import OwnWork
from accounts.models import AuditEntry, Staff
from knowledge.actions import phrasings, points
from knowledge.actions.branches import category_at
from knowledge.actions.imports import PointToImport, import_points
from knowledge.content import Content
from knowledge.import_export.cells import UnreadableFile
from knowledge.import_export.preview import Preview
from knowledge.import_export.sheets import SheetFile
from knowledge.models import Branch, Category, Phrasing, Point, Region, Version
from tests.harness.approvals import approve_pending, pending
from tests.people import Cast

pytestmark = pytest.mark.django_db

State = Version.State
HEADER = "key,title,phrasings,answer,category"
LOST_ROW = "card-lost,卡丢了怎么挂失？,卡丢了|卡找不到,请马上挂失。,银行卡/挂失"


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[None]:
    with override_settings(MEDIA_ROOT=tmp_path):
        yield


def client_of(staff: Staff, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(staff, settings.AUTHENTICATION_BACKENDS[0])
    return client


def workbook(*rows: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for row in rows:
        sheet.append(row)
    data = BytesIO()
    book.save(data)
    return data.getvalue()


class Importer:
    """Performs the two steps of an import in admin: the preview and the confirmation."""

    def __init__(self, staff: Staff, model: str = "point") -> None:
        self.client = client_of(staff)
        self.address = f"/admin/knowledge/{model}/"

    def preview(self, data: bytes | str, name: str = "points.csv") -> Any:
        content = data.encode("utf-8-sig") if isinstance(data, str) else data
        upload = SimpleUploadedFile(name, content)
        return self.client.post(
            f"{self.address}import/", {"import_file": upload, "format": "0", "resource": "0"}
        )

    def read_preview(self, data: bytes | str, name: str = "points.csv") -> Preview:
        response = self.preview(data, name)
        assert response.status_code == 200
        preview: Preview = response.context["result"].preview
        return preview

    def store(self, data: bytes | str) -> Any:
        response = self.preview(data)
        form = response.context["confirm_form"]
        return self.client.post(f"{self.address}process_import/", form.initial, follow=True)


def published(cast: Cast, key: str = "card-lost", **other: Any) -> Point:
    content = Content(
        "卡丢了怎么挂失？", other.pop("answer", "请马上挂失。"), category_at("银行卡/挂失"), **other
    )
    import_points(by=None, given=[PointToImport(key, "zh", content, ["卡丢了", "卡找不到"])])
    return Point.objects.select_related("published").get(key=key)


def test_preview_lists_the_changes_of_a_file_and_writes_nothing(cast: Cast) -> None:
    published(cast)
    published(cast, "same")
    before = (
        Point.objects.count(),
        Version.objects.count(),
        Category.objects.count(),
        Phrasing.objects.count(),
    )
    preview = Importer(cast.ning).read_preview(
        "\n".join(
            [
                HEADER,
                "card-lost,卡丢了怎么挂失？,卡丢了|卡找不到,请马上打客服挂失。,银行卡/新目录",
                "same,卡丢了怎么挂失？,卡找不到|卡丢了,请马上挂失。,银行卡/挂失",
                "new-one,怎么开户？,,请带身份证。,账户",
            ]
        )
    )
    assert (len(preview.new), len(preview.changed), preview.unchanged, preview.wrong) == (1, 1, 1, [])
    [changed] = preview.changed
    assert [name for name, _pieces in changed.changes] == ["answer", "category"]
    assert "".join(piece.text for piece in changed.changes[0][1] if piece.kind == "added") == "打客服"
    assert before == (
        Point.objects.count(), Version.objects.count(), Category.objects.count(), Phrasing.objects.count(),
    )  # fmt: skip


def test_preview_lists_only_the_first_rows_of_each_kind(cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Preview, "SHOWN", 1)
    published(cast)
    rows = [
        HEADER,
        "card-lost,卡丢了怎么挂失？,卡丢了|卡找不到,请马上打客服挂失。,银行卡/挂失",
        "new-one,怎么开户？,,请带身份证。,账户",
        "new-two,怎么销户？,,请带身份证。,账户",
        "wrong one,怎么转账？,,好。,账户",
    ]
    # Join tags that the template breaks into lines. It breaks lines inside tags, because white space between tags would
    # be visible.
    page = re.sub(r"\s+>", ">", Importer(cast.ning).preview("\n".join(rows)).content.decode())
    for shown in "<caption>Errors</caption>", "<ins>打客服</ins>", "怎么开户？", "<b>key</b>:":
        assert page.count(shown) == 1, shown
    # The preview shows the title under the key for a changed row, but not for an invalid row.
    assert page.count("卡丢了怎么挂失？") == 1
    assert "怎么销户？" not in page
    assert "怎么转账？" not in page
    assert "Only the first 1 of each kind are shown." in page


@pytest.mark.both_databases
def test_imported_points_wait_for_approval_by_a_second_person(cast: Cast) -> None:
    response = Importer(cast.ning).store(f"{HEADER}\n{LOST_ROW}")
    assert "A second person must approve new content" in response.content.decode()
    version = Version.objects.get()
    assert (version.state, version.author, str(version.point.language)) == (State.REVIEW, cast.ning, "zh")
    assert [phrasing.text for phrasing in version.point.phrasings.all()] == ["卡丢了", "卡找不到"]

    def chosen_page(staff: Staff) -> str:
        chosen = {"action": "approve_selected", "_selected_action": [str(version.point_id)]}
        return client_of(staff).post("/admin/knowledge/point/", chosen, follow=True).content.decode()

    # The bulk action does not approve the selected points, but first shows a page with their whole content.
    assert "a second person has to" in chosen_page(cast.ning)
    shown = chosen_page(cast.yun)
    version.refresh_from_db()
    assert version.state == State.REVIEW
    for text in (version.answer, version.title, "银行卡/挂失"):
        assert text in shown, text
    pair = f"{pending()[0].uuid}:{pending()[0].digest}"
    assert f'value="{pair}"' in shown
    answer = client_of(cast.yun).post("/console/approvals/approve", {"request": pair})
    assert "1 approved" in answer.content.decode()
    point = Point.objects.get()
    assert point.published == version
    assert point.edition > 0
    assert AuditEntry.objects.filter(verb="approval.approved", actor=cast.yun).count() == 1


def test_import_says_how_long_the_search_takes_to_learn_the_texts(cast: Cast) -> None:
    rows = [f"key-{n},卡丢了{n}怎么挂失？,卡丢了{n}|卡找不到{n},请马上挂失。,银行卡/挂失" for n in range(600)]
    message = "to learn the meaning of the new texts"
    with override_settings(LEARNING=True):
        page = Importer(cast.ning).store("\n".join([HEADER, *rows])).content.decode()
        assert f"about 6 seconds {message}" in page
        again = Importer(cast.ning).store("\n".join([HEADER, *rows]))
        assert "600 unchanged" in again.content.decode()
        assert message not in again.content.decode()
        few = Importer(cast.ning).store(f"{HEADER}\n{LOST_ROW}")
        assert message not in few.content.decode(), "a few texts are encoded at once"
    other = rows[0].replace("key-0", "key-x")
    assert message not in Importer(cast.ning).store(f"{HEADER}\n{other}").content.decode()


def test_import_command_says_how_long_the_search_takes_to_learn_the_texts(cast: Cast) -> None:
    for is_learning, times in ((True, 1), (True, 0), (False, 0)):
        out = StringIO()
        with override_settings(LEARNING=is_learning):
            call_command("import_points", generate=60, stdout=out)
        assert out.getvalue().count("are learning the meaning of the new texts, for about 5 s") == times, (
            out.getvalue()
        )


def test_file_with_a_wrong_row_is_not_stored(cast: Cast) -> None:
    importer = Importer(cast.ning)
    rows = [
        HEADER + ",valid_until,public,department,owner,links",
        LOST_ROW + ",2026-12-31,yes,cards,4001,网点 | https://bank.example/a",
        "card lost,,," + "长" * 2001 + ",,someday,perhaps,moon,1001,ftp://x",
        "card-lost,卡丢了？,,好。,卡,,,,,",
    ]
    response = importer.preview("\n".join(rows))
    preview = response.context["result"].preview
    assert [row.number for row in preview.wrong] == [3, 4]
    wrong = dict(preview.wrong[0].problems)
    assert set(wrong) == {
        "key", "title", "answer", "category", "valid until", "public", "department", "owner", "links",
    }  # fmt: skip
    assert dict(preview.wrong[1].problems) == {"key": ["Row 2 has the same key."]}
    assert "confirm_form" not in response.context
    page = response.content.decode()
    assert "“someday” is not a date." in page
    assert "Nothing was stored." in page
    assert not Point.objects.exists()


def test_file_that_became_wrong_after_its_preview_is_not_stored(cast: Cast) -> None:
    importer = Importer(cast.ning)
    data = f"{HEADER},department\n{LOST_ROW},cards\nother,怎么开户？,,请来。,账户,loans"
    form = importer.preview(data).context["confirm_form"]
    cast.loans.delete()
    response = importer.client.post(f"{importer.address}process_import/", form.initial, follow=True)
    assert "nothing was stored" in response.content.decode()
    assert not Point.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("head", ["编号,标题,其他问法,答复,目录", HEADER.upper()])
def test_csv_in_any_encoding_of_excel_is_read(cast: Cast, encoding: str, head: str) -> None:
    if head != HEADER.upper():
        head = ",".join(zh_names("key", "title", "phrasings", "answer", "category"))
    preview = Importer(cast.ning).read_preview(f"{head}\r\n{LOST_ROW}\r\n\r\n".encode(encoding))
    assert preview.problems == []
    assert [row.title for row in preview.new] == ["卡丢了怎么挂失？"]


def zh_names(*names: str) -> list[str]:
    from django.utils import translation

    from knowledge.import_export.points import COLUMNS

    with translation.override("zh-hans"):
        labels = {column.name: str(column.label) for column in COLUMNS}
    return [labels[name] for name in names]


def test_spreadsheet_with_numbers_dates_and_empty_rows_is_imported(cast: Cast) -> None:
    cast.ning.number = "4001"
    seen_at = datetime(2026, 12, 31)  # noqa: DTZ001  (a spreadsheet has no time zone)
    data = workbook(
        ["key", "title", "answer", "category", "valid_from", "valid_until", "owner", "public"],
        [20260101, 95000, 123.0, "费用", 20260101, seen_at, 4001, True],
        [None, None, None, None, None, None, None, None],
        ["b", "标题", "第一行\n第二行", "费用", "2026年1月5日", "2026/2/1", "宁编 4001", "否"],
    )
    importer = Importer(cast.ning)
    preview = importer.read_preview(data, "points.xlsx")
    assert (preview.problems, preview.wrong) == ([], [])
    importer.store(data)
    first, second = (Version.objects.get(point__key=key) for key in ("20260101", "b"))
    assert (first.title, first.answer, first.is_public) == ("95000", "123", True)
    assert (first.valid_from, first.valid_until) == (date(2026, 1, 1), date(2026, 12, 31))
    assert first.point.owner == second.point.owner == cast.ning
    assert (second.answer, second.valid_from, second.is_public) == ("第一行\n第二行", date(2026, 1, 5), False)


@pytest.mark.parametrize(
    ("rows", "problem"),
    [
        (
            [["知识点一览", None, None], ["key", "title", "answer"], ["a", "b", "c"]],
            "the column name “知识点一览” is unknown",
        ),
        ([["key", None, "answer"], ["a", "b", "c"]], "Column B has no name"),
        ([["key", "title", "Title"], ["a", "b", "c"]], "occurs twice"),
        ([["title", "answer"], ["b", "c"]], "These columns are missing: key."),
        ([["key", "title"], [None, None]], "There are no rows"),
    ],
)
def test_wrong_header_is_explained_in_the_preview(cast: Cast, rows: list[list[Any]], problem: str) -> None:
    response = Importer(cast.ning).preview(workbook(*rows), "points.xlsx")
    if "result" in response.context:
        assert any(problem in message for message in response.context["result"].preview.problems)
    else:
        assert problem == "There are no rows"
        assert response.context["form"].errors["import_file"]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"PK\x03\x04nonsense", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
        (b"", "empty"),
        (b"\x81\xff\xfe\x00\xff", "Unknown text encoding"),
        (b"\x00\x01\x02", "neither a spreadsheet"),
    ],
)
def test_file_that_is_not_a_table_is_refused_with_a_reason(data: bytes, message: str) -> None:
    from django.utils import translation

    with translation.override("en"), pytest.raises(UnreadableFile, match=message):
        SheetFile().create_dataset(data)


@pytest.mark.both_databases
@pytest.mark.parametrize("format_index", ["0", "1"])
def test_exported_file_is_imported_without_changes(cast: Cast, format_index: str) -> None:
    point = published(
        cast, answer="=1+1 是公式吗？\n'不是", links=[["网点", "https://bank.example/a"]], department=cast.cards,
        valid_until=date(2030, 1, 1), is_public=True,
    )  # fmt: skip
    phrasings.set_phrasings(by=cast.ning, point=point.pk, phrasings=["一|二"])
    points.set_owner(by=cast.ning, point=point.pk, owner=cast.ning)
    published(cast, "gone")
    points.withdraw(by=cast.ning, point=Point.objects.get(key="gone").pk, reason="停办")
    client = client_of(cast.yun, "zh-hans")
    response = client.post("/admin/knowledge/point/export/", {"format": format_index, "resource": "0"})
    assert response.status_code == 200
    if format_index == "1":
        assert "'=1+1" in response.content.decode("utf-8-sig")
    preview = Importer(cast.ning).read_preview(response.content)
    assert (preview.problems, preview.wrong, preview.new, preview.changed, preview.unchanged) == (
        [],
        [],
        [],
        [],
        2,
    )
    assert AuditEntry.objects.get(verb="points.exported").detail == {"count": 2}


def test_column_missing_from_the_file_keeps_the_stored_value(cast: Cast) -> None:
    point = published(cast, note="先核实身份", department=cast.cards)
    Importer(cast.ning).store("key,answer\ncard-lost,请打客服挂失。")
    version = point.versions.get(number=2)
    assert (version.answer, version.note, version.department) == ("请打客服挂失。", "先核实身份", cast.cards)
    assert point.phrasings.count() == 2


def test_import_changes_the_owner(cast: Cast) -> None:
    point = published(cast)
    Importer(cast.ning).store("key,owner\ncard-lost,9001")
    point.refresh_from_db()
    assert point.owner == cast.yun
    assert point.versions.count() == 1


@pytest.mark.both_databases
def test_list_is_searched_and_filtered_with_a_bounded_number_of_queries(
    cast: Cast, django_assert_max_num_queries: Any
) -> None:
    for number in range(30):
        published(cast, f"point-{number}")
    client = client_of(cast.yun)
    client.get("/admin/knowledge/point/")
    with django_assert_max_num_queries(16):
        page = client.get("/admin/knowledge/point/?q=挂失&state=published").content.decode()
    assert "point-29" in page
    assert "0 knowledge points" in client.get("/admin/knowledge/point/?q=没有的词").content.decode()


def test_auditor_finds_the_link_to_the_recipients_and_cannot_change_anything(cast: Cast) -> None:
    point = published(cast)
    client = client_of(cast.wen)
    page = client.get(f"/admin/knowledge/point/{point.pk}/change/").content.decode()
    assert "/console/points/card-lost/told" in page
    assert client.get("/admin/knowledge/point/import/").status_code == 403
    assert client.get("/admin/knowledge/point/export/").status_code == 403
    assert client.get("/admin/knowledge/point/add/").status_code == 403
    assert client.get("/admin/knowledge/branch/").status_code == 403
    assert client_of(cast.mei).get("/admin/knowledge/point/").status_code == 302


BRANCHES = (
    "key,kind,name,region,address,weekday_hours,services,aliases,latitude,longitude\n"
    "north,网点,城北支行,城北区,城北路1号,09:00-17:00,cash|贷款,北门|老城北,29.9,124.1\n"
    "atm-1,ATM,城北自助,城北区,城北路2号,24h,,,,"
)


@pytest.mark.both_databases
def test_branches_are_imported_and_exported(cast: Cast) -> None:
    importer = Importer(cast.ning, "branch")
    kind = str(Branch.Kind.BRANCH.label)
    data = BRANCHES.replace("网点", kind).replace("贷款", str(Branch.Service.LOANS.label))
    assert len(importer.read_preview(data).new) == 2
    assert not Branch.objects.exists()
    assert "A second person must approve the changes" in importer.store(data).content.decode()
    assert not Branch.objects.exists()
    with pytest.raises(OwnWork):
        approve_pending(by=cast.ning)
    assert approve_pending(by=cast.yun) == 2
    north = Branch.objects.get(key="north")
    assert (north.services, north.aliases, north.region.name) == (
        ["cash", "loans"],
        ["北门", "老城北"],
        "城北区",
    )
    assert north.edition > 0
    response = client_of(cast.ning).post("/admin/knowledge/branch/export/", {"format": "0", "resource": "0"})
    assert importer.read_preview(response.content).unchanged == 2
    wrong = importer.read_preview("key,kind,latitude\nnorth,moon,x\nnew,branch,1").wrong
    assert [name for name, _messages in wrong[0].problems][:2] == ["kind", "latitude"]
    assert {"name", "region", "address"} <= {name for name, _messages in wrong[1].problems}


def test_branch_form_change_takes_effect_on_approval_with_a_new_edition(cast: Cast) -> None:
    Importer(cast.ning, "branch").store(BRANCHES.replace("网点", "branch").replace("贷款", "loans"))
    approve_pending(by=cast.yun)
    north = Branch.objects.get(key="north")
    form = {
        "kind": "branch", "name": "城北支行", "name_en": "North", "region": north.region_id, "address": "城北路9号",
        "weekday_hours": "09:00-17:00", "services": ["cash"], "aliases": "北门\n 新北门 ", "is_active": "on",
        "latitude": "29.9", "longitude": "124.1",
    }  # fmt: skip
    response = client_of(cast.ning).post(f"/admin/knowledge/branch/{north.pk}/change/", form)
    assert response.status_code == 302
    assert Branch.objects.get(key="north").address == "城北路1号"
    approve_pending(by=cast.yun)
    after = Branch.objects.get(key="north")
    assert (after.address, after.services, after.aliases) == ("城北路9号", ["cash"], ["北门", "新北门"])
    assert after.edition > north.edition
    assert AuditEntry.objects.get(verb="branch.changed").detail["fields"] == [
        "address", "aliases", "name_en", "services",
    ]  # fmt: skip


@pytest.mark.both_databases
def test_regions_and_categories_are_created_and_a_cycle_is_refused(cast: Cast) -> None:
    client = client_of(cast.ning)
    assert client.post("/admin/knowledge/region/add/", {"name": "城南区"}).status_code == 302
    assert Region.objects.get().name == "城南区"
    assert client.post("/admin/knowledge/category/add/", {"name": "贷款", "order": 1}).status_code == 302
    top = Category.objects.get()
    below = Category.objects.create(parent=top, name="房贷")
    cycle = {"parent": below.pk, "name": "贷款", "order": 1}
    assert client.post(f"/admin/knowledge/category/{top.pk}/change/", cycle).status_code == 200
    top.refresh_from_db()
    assert top.parent is None
