"""Tests of PDF attachments.

A PDF with active content is refused, however the content is hidden. Any other PDF is stored unchanged.
"""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pikepdf
import pytest
from pikepdf import Array, Dictionary, Name, Pdf

from accounts.models import Staff
from chat.attachments import sandbox
from chat.attachments.file_types import FileDamaged, PdfActive, PdfLocked, TooComplex, examine
from chat.models import Site
from knowledge.actions.files import attach_file
from tests.harness.files import pdf, uploaded

# Needed because `sandbox.run` closes the database connection while it waits (core.database_threads.release_slot).
pytestmark = pytest.mark.django_db

SCRIPT: dict[str, Any] = {"S": Name.JavaScript, "JS": "app.alert(1)"}


def _on_page(key: str, value: Any) -> Callable[[Pdf], None]:
    def change(document: Pdf) -> None:
        # Parse the object again to get a copy for this document, because an object belongs to the first document into
        # which it is inserted.
        document.pages[0].obj[key] = document.make_indirect(pikepdf.Object.parse(value.unparse()))

    return change


def _annotation(**entries: Any) -> Callable[[Pdf], None]:
    return _on_page("/Annots", Array([Dictionary(Type=Name.Annot, Rect=[0, 0, 9, 9], **entries)]))


def _on_root(key: str, value: Any) -> Callable[[Pdf], None]:
    def change(document: Pdf) -> None:
        document.Root[key] = value

    return change


def _embedded(document: Pdf) -> None:
    document.attachments["virus.exe"] = b"MZ"


def _name_tree(document: Pdf) -> None:
    tree = Dictionary(Names=["a", Dictionary(**SCRIPT)])
    document.Root.Names = Dictionary(JavaScript=document.make_indirect(tree))


ACTIVE: dict[str, Callable[[Pdf], None]] = {
    "open action": _on_root("/OpenAction", Dictionary(**SCRIPT)),
    "open action that starts a program": _on_root("/OpenAction", Dictionary(S=Name.Launch, F="calc.exe")),
    "document scripts": _name_tree,
    "page action": _on_page("/AA", Dictionary(O=Dictionary(**SCRIPT))),
    "link with a script": _annotation(Subtype=Name.Link, A=Dictionary(**SCRIPT)),
    "link to a script address": _annotation(
        Subtype=Name.Link, A=Dictionary(S=Name.URI, URI="javascript:alert(1)")
    ),
    "link to another file": _annotation(Subtype=Name.Link, A=Dictionary(S=Name.GoToR, F="//host/share")),
    "form that sends": _annotation(Subtype=Name.Link, A=Dictionary(S=Name.SubmitForm, F="https://x.example")),
    "file attached to a page": _annotation(Subtype=Name.FileAttachment),
    "rich media": _annotation(Subtype=Name.RichMedia),
    "embedded file": _embedded,
    "form in XFA": _on_root("/AcroForm", Dictionary(Fields=[], XFA="<xdp/>")),
}
HIDING: dict[str, dict[str, Any]] = {
    "plain": {},
    "object streams": {"object_stream_mode": pikepdf.ObjectStreamMode.generate},
    "encrypted": {"encryption": pikepdf.Encryption(owner="owner", user="", R=6)},
}


@pytest.mark.parametrize("options", HIDING.values(), ids=HIDING)
@pytest.mark.parametrize("change", ACTIVE.values(), ids=ACTIVE)
def test_pdf_with_active_content_is_refused(change: Callable[[Pdf], None], options: dict[str, Any]) -> None:
    with pytest.raises(PdfActive):
        examine(Site(), uploaded(pdf(change, **options)))


def test_pdf_with_a_script_in_an_earlier_revision_is_refused() -> None:
    first = pdf(ACTIVE["open action"])
    catalog = int(first.split(b"/Root ")[1].split()[0])
    start = len(first)
    update = b"%d 0 obj\n<< /Type /Catalog /Pages 2 0 R >>\nendobj\n" % catalog
    previous = int(first.rsplit(b"startxref", 1)[1].split()[0])
    table = (
        b"xref\n%d 1\n%010d 00000 n \ntrailer\n<< /Size 9 /Root %d 0 R /Prev %d >>\nstartxref\n%d\n%%%%EOF\n"
    )
    second = first + update + table % (catalog, start, catalog, previous, start + len(update))
    with pikepdf.open(BytesIO(second)) as opened:
        assert "/OpenAction" not in opened.Root
    with pytest.raises(PdfActive):
        examine(Site(), uploaded(second))


@pytest.mark.parametrize("options", [*HIDING.values(), {"linearize": True}], ids=[*HIDING, "linearized"])
def test_pdf_that_shows_pages_and_links_is_kept_byte_for_byte(options: dict[str, Any]) -> None:
    link = _annotation(Subtype=Name.Link, A=Dictionary(S=Name.URI, URI="https://bank.example/a"))
    data = pdf(link, **options)
    assert examine(Site(), uploaded(data)).content == data


def test_pdf_that_opens_at_a_page_and_numbers_its_pages_is_kept() -> None:
    def change(document: Pdf) -> None:
        page = document.pages[0].obj
        document.Root.OpenAction = Dictionary(S=Name.GoTo, D=Array([page, Name.Fit]))
        document.Root.PageLabels = Dictionary(Nums=[0, Dictionary(S=Name.D)])

    data = pdf(change)
    assert examine(Site(), uploaded(data)).content == data


def test_pdf_with_a_password_is_refused() -> None:
    locked = pdf(encryption=pikepdf.Encryption(owner="a", user="b", R=6))
    with pytest.raises(PdfLocked):
        examine(Site(), uploaded(locked))


def test_pdf_without_pages_is_damaged() -> None:
    with pytest.raises(FileDamaged):
        examine(Site(), uploaded(b"%PDF-1.4\n1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\nstartxref\n9\n%%EOF\n"))


def test_pdf_nested_too_deep_is_refused() -> None:
    deep: Any = Array([1])
    for _depth in range(90):
        deep = Array([deep])
    with pytest.raises(TooComplex):
        examine(Site(), uploaded(pdf(_on_root("/Deep", deep))))


def test_file_that_needs_too_much_memory_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox, "MEMORY_BYTES", 20 * 1024 * 1024)
    with pytest.raises(TooComplex):
        examine(Site(), uploaded(pdf()))


def test_active_pdf_is_refused_as_a_file_of_a_knowledge_point() -> None:
    with pytest.raises(PdfActive):
        attach_file(by=Staff(), point=1, upload=uploaded(pdf(ACTIVE["open action"]), "form.pdf"))
