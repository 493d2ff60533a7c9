"""Points and branches as tables: what a file would do, what it does, and what is said of one that is wrong."""

from __future__ import annotations

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

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]

State = Version.State
HEAD = "key,title,phrasings,answer,category"
LOST = "card-lost,卡丢了怎么挂失？,卡丢了|卡找不到,请马上挂失。,银行卡/挂失"


@pytest.fixture(autouse=True)
def media(tmp_path: Path) -> Iterator[None]:
    with override_settings(MEDIA_ROOT=tmp_path):
        yield


def client_of(staff: Staff, language: str = "en") -> Client:
    client = Client(headers={"accept-language": language})
    client.force_login(staff, settings.AUTHENTICATION_BACKENDS[0])
    return client


def xlsx(*lines: list[Any]) -> bytes:
    book = openpyxl.Workbook()
    sheet = book.active
    assert sheet is not None
    for line in lines:
        sheet.append(line)
    data = BytesIO()
    book.save(data)
    return data.getvalue()


class Importer:
    """The two steps of an import, as a person in admin takes them."""

    def __init__(self, staff: Staff, model: str = "point") -> None:
        self.client = client_of(staff)
        self.address = f"/admin/knowledge/{model}/"

    def preview(self, data: bytes | str, name: str = "points.csv") -> Any:
        content = data.encode("utf-8-sig") if isinstance(data, str) else data
        upload = SimpleUploadedFile(name, content)
        return self.client.post(
            f"{self.address}import/", {"import_file": upload, "format": "0", "resource": "0"}
        )

    def seen(self, data: bytes | str, name: str = "points.csv") -> Preview:
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


def test_the_preview_tells_what_would_happen_and_writes_nothing(cast: Cast) -> None:
    published(cast)
    published(cast, "same")
    before = (
        Point.objects.count(),
        Version.objects.count(),
        Category.objects.count(),
        Phrasing.objects.count(),
    )
    seen = Importer(cast.ning).seen(
        "\n".join(
            [
                HEAD,
                "card-lost,卡丢了怎么挂失？,卡丢了|卡找不到,请马上打客服挂失。,银行卡/新目录",
                "same,卡丢了怎么挂失？,卡找不到|卡丢了,请马上挂失。,银行卡/挂失",
                "new-one,怎么开户？,,请带身份证。,账户",
            ]
        )
    )
    assert (len(seen.new), len(seen.changed), seen.unchanged, seen.wrong) == (1, 1, 1, [])
    [changed] = seen.changed
    assert [name for name, _pieces in changed.changes] == ["answer", "category"]
    assert "".join(piece.text for piece in changed.changes[0][1] if piece.kind == "added") == "打客服"
    assert before == (
        Point.objects.count(), Version.objects.count(), Category.objects.count(), Phrasing.objects.count(),
    )  # fmt: skip


def test_a_preview_shows_of_each_kind_what_it_is_about_and_the_first_of_many(
    cast: Cast, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Preview, "SHOWN", 1)
    published(cast)
    rows = [
        HEAD,
        "card-lost,卡丢了怎么挂失？,卡丢了|卡找不到,请马上打客服挂失。,银行卡/挂失",
        "new-one,怎么开户？,,请带身份证。,账户",
        "new-two,怎么销户？,,请带身份证。,账户",
        "wrong one,怎么转账？,,好。,账户",
    ]
    page = Importer(cast.ning).preview("\n".join(rows)).content.decode()
    for shown in "<caption>Wrong</caption>", "<ins>打客服</ins>", "怎么开户？", "<b>key</b>:":
        assert page.count(shown) == 1, shown
    # What has changed has its title under its key; what is wrong has none.
    assert page.count("卡丢了怎么挂失？") == 1
    assert "怎么销户？" not in page
    assert "怎么转账？" not in page
    assert "Of each kind the first 1 are shown." in page


def test_what_a_person_brings_in_waits_for_somebody_else(cast: Cast) -> None:
    response = Importer(cast.ning).store(f"{HEAD}\n{LOST}")
    assert "wait for the approval of a second person" in response.content.decode()
    version = Version.objects.get()
    assert (version.state, version.author, str(version.point.language)) == (State.REVIEW, cast.ning, "zh")
    assert [each.text for each in version.point.phrasings.all()] == ["卡丢了", "卡找不到"]

    def chosen_page(staff: Staff) -> str:
        chosen = {"action": "approve_selected", "_selected_action": [str(version.point_id)]}
        return client_of(staff).post("/admin/knowledge/point/", chosen, follow=True).content.decode()

    # Nothing is approved by choosing it: a page shows every word first.
    assert "a second person has to" in chosen_page(cast.ning)
    shown = chosen_page(cast.yun)
    version.refresh_from_db()
    assert version.state == State.REVIEW
    for words in (version.answer, version.title, "银行卡/挂失"):
        assert words in shown, words
    pair = f"{pending()[0].uuid}:{pending()[0].digest}"
    assert f'value="{pair}"' in shown
    answer = client_of(cast.yun).post("/console/approvals/approve", {"request": pair})
    assert "1 approved" in answer.content.decode()
    point = Point.objects.get()
    assert point.published == version
    assert point.edition > 0
    assert AuditEntry.objects.filter(verb="approval.approved", actor=cast.yun).count() == 1


def test_an_import_says_how_long_the_meanings_take_to_be_learned(cast: Cast) -> None:
    rows = [f"key-{n},卡丢了{n}怎么挂失？,卡丢了{n}|卡找不到{n},请马上挂失。,银行卡/挂失" for n in range(600)]
    words = "learning what the new words mean takes about 6 s"
    with override_settings(LEARNING=True):
        assert words in Importer(cast.ning).store("\n".join([HEAD, *rows])).content.decode()
        again = Importer(cast.ning).store("\n".join([HEAD, *rows]))
        assert "600 unchanged" in again.content.decode()
        assert "learning" not in again.content.decode()
        few = Importer(cast.ning).store(f"{HEAD}\n{LOST}")
        assert "learning" not in few.content.decode(), "a few are learned at once"
    other = rows[0].replace("key-0", "key-x")
    assert "learning" not in Importer(cast.ning).store(f"{HEAD}\n{other}").content.decode()


def test_the_import_command_says_how_long_the_meanings_take_to_be_learned(cast: Cast) -> None:
    for is_learning, times in ((True, 1), (True, 0), (False, 0)):
        out = StringIO()
        with override_settings(LEARNING=is_learning):
            call_command("import_points", generate=60, stdout=out)
        assert out.getvalue().count("are learning what the new words mean, for about 5 s") == times, (
            out.getvalue()
        )


def test_one_wrong_row_and_nothing_is_stored(cast: Cast) -> None:
    importer = Importer(cast.ning)
    rows = [
        HEAD + ",valid_until,public,department,owner,links",
        LOST + ",2026-12-31,yes,cards,4001,网点 | https://bank.example/a",
        "card lost,,," + "长" * 2001 + ",,someday,perhaps,moon,1001,ftp://x",
        "card-lost,卡丢了？,,好。,卡,,,,,",
    ]
    response = importer.preview("\n".join(rows))
    preview = response.context["result"].preview
    assert [row.number for row in preview.wrong] == [3, 4]
    wrong = dict(preview.wrong[0].problems)
    assert set(wrong) == {
        "key", "title", "answer", "category", "valid until", "public", "business line", "owner", "links",
    }  # fmt: skip
    assert dict(preview.wrong[1].problems) == {"key": ["Row 2 has it too."]}
    assert "confirm_form" not in response.context
    page = response.content.decode()
    assert "“someday” is not a day." in page
    assert "Nothing was stored." in page
    assert not Point.objects.exists()


def test_a_file_that_became_wrong_after_its_preview_stores_nothing(cast: Cast) -> None:
    importer = Importer(cast.ning)
    data = f"{HEAD},department\n{LOST},cards\nother,怎么开户？,,请来。,账户,loans"
    form = importer.preview(data).context["confirm_form"]
    cast.loans.delete()
    response = importer.client.post(f"{importer.address}process_import/", form.initial, follow=True)
    assert "nothing was stored" in response.content.decode()
    assert not Point.objects.exists()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "gb18030", "utf-16"])
@pytest.mark.parametrize("head", ["编号,标题,其他问法,答复,目录", HEAD.upper()])
def test_a_csv_of_any_excel_is_read(cast: Cast, encoding: str, head: str) -> None:
    if head != HEAD.upper():
        head = ",".join(zh_names("key", "title", "phrasings", "answer", "category"))
    seen = Importer(cast.ning).seen(f"{head}\r\n{LOST}\r\n\r\n".encode(encoding))
    assert seen.problems == []
    assert [row.title for row in seen.new] == ["卡丢了怎么挂失？"]


def zh_names(*names: str) -> list[str]:
    from django.utils import translation

    from knowledge.import_export.points import COLUMNS

    with translation.override("zh-hans"):
        words = {column.name: str(column.words) for column in COLUMNS}
    return [words[name] for name in names]


def test_a_spreadsheet_with_numbers_days_and_blanks_is_read_as_people_mean_it(cast: Cast) -> None:
    cast.ning.number = "4001"
    seen_at = datetime(2026, 12, 31)  # noqa: DTZ001  (a spreadsheet has no time zone)
    data = xlsx(
        ["key", "title", "answer", "category", "valid_from", "valid_until", "owner", "public"],
        [20260101, 95000, 123.0, "费用", 20260101, seen_at, 4001, True],
        [None, None, None, None, None, None, None, None],
        ["b", "标题", "第一行\n第二行", "费用", "2026年1月5日", "2026/2/1", "宁编 4001", "否"],
    )
    importer = Importer(cast.ning)
    seen = importer.seen(data, "points.xlsx")
    assert (seen.problems, seen.wrong) == ([], [])
    importer.store(data)
    first, second = (Version.objects.get(point__key=key) for key in ("20260101", "b"))
    assert (first.title, first.answer, first.is_public) == ("95000", "123", True)
    assert (first.valid_from, first.valid_until) == (date(2026, 1, 1), date(2026, 12, 31))
    assert first.point.owner == second.point.owner == cast.ning
    assert (second.answer, second.valid_from, second.is_public) == ("第一行\n第二行", date(2026, 1, 5), False)


@pytest.mark.parametrize(
    ("lines", "problem"),
    [
        (
            [["知识点一览", None, None], ["key", "title", "answer"], ["a", "b", "c"]],
            "nothing is called “知识点一览”",
        ),
        ([["key", None, "answer"], ["a", "b", "c"]], "Column B has no name"),
        ([["key", "title", "Title"], ["a", "b", "c"]], "is there twice"),
        ([["title", "answer"], ["b", "c"]], "These columns are missing: key."),
        ([["key", "title"], [None, None]], "There are no rows"),
    ],
)
def test_a_head_that_cannot_be_read_is_said_in_words(
    cast: Cast, lines: list[list[Any]], problem: str
) -> None:
    response = Importer(cast.ning).preview(xlsx(*lines), "points.xlsx")
    if "result" in response.context:
        assert any(problem in words for words in response.context["result"].preview.problems)
    else:
        assert problem == "There are no rows"
        assert response.context["form"].errors["import_file"]


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"PK\x03\x04nonsense", "damaged"),
        (b"\xd0\xcf\x11\xe0\xa1\xb1", "old Excel"),
        (b"", "empty"),
        (b"\x81\xff\xfe\x00\xff", "no encoding"),
        (b"\x00\x01\x02", "neither a spreadsheet"),
    ],
)
def test_what_is_no_table_is_refused_in_words(data: bytes, words: str) -> None:
    from django.utils import translation

    with translation.override("en"), pytest.raises(UnreadableFile, match=words):
        SheetFile().create_dataset(data)


@pytest.mark.parametrize("format_index", ["0", "1"])
def test_what_was_taken_away_comes_back_as_it_was(cast: Cast, format_index: str) -> None:
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
    seen = Importer(cast.ning).seen(response.content)
    assert (seen.problems, seen.wrong, seen.new, seen.changed, seen.unchanged) == ([], [], [], [], 2)
    assert AuditEntry.objects.get(verb="points.exported").detail == {"count": 2}


def test_a_column_that_is_not_there_leaves_what_is_stored(cast: Cast) -> None:
    point = published(cast, note="先核实身份", department=cast.cards)
    Importer(cast.ning).store("key,answer\ncard-lost,请打客服挂失。")
    version = point.versions.get(number=2)
    assert (version.answer, version.note, version.department) == ("请打客服挂失。", "先核实身份", cast.cards)
    assert point.phrasings.count() == 2


def test_the_owner_changes_with_the_file(cast: Cast) -> None:
    point = published(cast)
    Importer(cast.ning).store("key,owner\ncard-lost,9001")
    point.refresh_from_db()
    assert point.owner == cast.yun
    assert point.versions.count() == 1


def test_the_list_is_searched_and_narrowed_by_a_bounded_number_of_queries(
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


def test_an_auditor_finds_the_way_to_who_was_told_and_changes_nothing(cast: Cast) -> None:
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


def test_branches_come_in_and_go_out_as_a_table(cast: Cast) -> None:
    importer = Importer(cast.ning, "branch")
    kind = str(Branch.Kind.BRANCH.label)
    data = BRANCHES.replace("网点", kind).replace("贷款", str(Branch.Service.LOANS.label))
    assert len(importer.seen(data).new) == 2
    assert not Branch.objects.exists()
    assert "waits for the approval of a second person" in importer.store(data).content.decode()
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
    assert importer.seen(response.content).unchanged == 2
    wrong = importer.seen("key,kind,latitude\nnorth,moon,x\nnew,branch,1").wrong
    assert [name for name, _words in wrong[0].problems][:2] == ["kind", "latitude"]
    assert {"name", "region", "address"} <= {name for name, _words in wrong[1].problems}


def test_a_branch_is_changed_by_its_form_and_its_edition_moves_on(cast: Cast) -> None:
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


def test_regions_and_categories_are_set_up_and_no_category_stands_under_itself(cast: Cast) -> None:
    client = client_of(cast.ning)
    assert client.post("/admin/knowledge/region/add/", {"name": "城南区"}).status_code == 302
    assert Region.objects.get().name == "城南区"
    assert client.post("/admin/knowledge/category/add/", {"name": "贷款", "order": 1}).status_code == 302
    top = Category.objects.get()
    below = Category.objects.create(parent=top, name="房贷")
    ring = {"parent": below.pk, "name": "贷款", "order": 1}
    assert client.post(f"/admin/knowledge/category/{top.pk}/change/", ring).status_code == 200
    top.refresh_from_db()
    assert top.parent is None
