"""Script for the sandbox: searches a PDF for active content (scripts, actions, embedded files, forms that submit).

The script reads all objects, including objects in object streams, in encrypted files and in earlier revisions of the
file (ISO 32000-2, 7.5 and 12.6).
"""

import re
from io import BytesIO
from typing import Any

import pikepdf

# An incremental update appends to a PDF, so the file still contains its earlier revisions, each of which ends in %%EOF.
# All revisions are checked, because a viewer that repairs damaged files may show an earlier one.
MAX_REVISIONS = 20
MAX_OBJECTS = 200_000
MAX_DEPTH = 60
# Keys of PDF dictionaries whose value is a script, an automatic action, an embedded file or an XFA form.
ACTIVE_KEYS = {
    "/JS", "/JavaScript", "/AA", "/XFA", "/EmbeddedFile", "/EmbeddedFiles", "/RichMedia", "/RichMediaContent",
    "/RichMediaSettings", "/3DD", "/OnInstantiate",
}  # fmt: skip
# Action types (12.6.4), which are values of the key /S. Page labels and structure elements have the key /S, too.
ACTIONS = {
    "/GoToR", "/GoToE", "/GoToDp", "/Launch", "/Sound", "/Movie", "/SubmitForm", "/ResetForm", "/ImportData",
    "/JavaScript", "/SetOCGState", "/Rendition", "/GoTo3DView", "/RichMediaExecute", "/Hide",
}  # fmt: skip
# Allowed actions: they only turn pages, or open addresses after a click.
HARMLESS_ACTIONS = {"/GoTo", "/URI", "/Named"}
ACTIVE_TYPES = {"/EmbeddedFile"}
ACTIVE_SUBTYPES = {
    "/FileAttachment", "/RichMedia", "/Screen", "/Movie", "/Sound", "/3D", "/JavaScript", "/Launch",
}  # fmt: skip
HARMLESS_SCHEMES = re.compile(rb"\s*(https?|mailto|tel):", re.IGNORECASE)


class ActiveContent(Exception):
    """Raised for a PDF with active content."""


class NestedTooDeep(Exception):
    """Raised for a PDF with more objects, revisions or nesting levels than any real document has."""


def answer(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Check a PDF and return (header, content); the content is always empty.

    The header is empty if the PDF has no active content. Otherwise its key `refused` gives the reason: "active",
    "password", "too_complex" or "damaged".
    """
    try:
        for revision in [data, *revisions(data)]:
            check(revision, is_whole=revision is data)
    except MemoryError:
        raise
    except ActiveContent:
        return {"refused": "active"}, b""
    except NestedTooDeep:
        return {"refused": "too_complex"}, b""
    except pikepdf.PasswordError:
        return {"refused": "password"}, b""
    except (pikepdf.PdfError, ValueError, RuntimeError, OverflowError):
        return {"refused": "damaged"}, b""
    return {}, b""


def revisions(data: bytes) -> list[bytes]:
    """Return the earlier revisions of the file: its content before each incremental update."""
    ends = [match.end() for match in re.finditer(rb"%%EOF", data)][:-1]
    if len(ends) > MAX_REVISIONS:
        raise NestedTooDeep
    return [data[:end] for end in ends]


def check(data: bytes, *, is_whole: bool) -> None:
    """Check every object in one revision of the file. Raises ActiveContent, NestedTooDeep or an error of pikepdf, and
    ValueError if the file has no pages.

    `is_whole` is true for the complete file. Other revisions that cannot be opened are skipped.
    """
    try:
        opened = pikepdf.open(BytesIO(data), suppress_warnings=True)
    except pikepdf.PdfError:
        if is_whole:
            raise
        # `data` ends at a %%EOF that does not end a revision, as in linearized files. The whole file is checked
        # separately.
        return
    with opened as pdf:
        if is_whole and not len(pdf.pages):
            raise ValueError
        if len(pdf.objects) > MAX_OBJECTS:
            raise NestedTooDeep
        for item in pdf.objects:
            walk(item, 0)
        walk(pdf.trailer, 0)


def walk(item: Any, depth: int) -> None:
    """Check a PDF object and the values directly inside it.

    Indirect values are separate objects, which `check` visits as well.
    """
    if depth > MAX_DEPTH:
        raise NestedTooDeep
    if isinstance(item, pikepdf.Array):
        values = list(item)
    elif isinstance(item, pikepdf.Dictionary | pikepdf.Stream):
        entries = dict(item.stream_dict.items() if isinstance(item, pikepdf.Stream) else item.items())
        check_entries(entries)
        values = list(entries.values())
    else:
        return
    for value in values:
        if isinstance(value, pikepdf.Array | pikepdf.Dictionary) and not value.is_indirect:
            walk(value, depth + 1)


def check_entries(entries: dict[str, Any]) -> None:
    if ACTIVE_KEYS & entries.keys():
        raise ActiveContent
    action = entries.get("/OpenAction")
    if isinstance(action, pikepdf.Dictionary) and name_of(action.get("/S")) != "/GoTo":
        raise ActiveContent
    kind, subtype, verb = (name_of(entries.get(key)) for key in ("/Type", "/Subtype", "/S"))
    if kind in ACTIVE_TYPES or subtype in ACTIVE_SUBTYPES:
        raise ActiveContent
    if (kind == "/Action" or verb in ACTIONS) and verb not in HARMLESS_ACTIONS:
        raise ActiveContent
    if "/URI" in entries and isinstance(entries["/URI"], pikepdf.String):
        address = bytes(entries["/URI"])
        if b":" in address.split(b"/")[0] and not HARMLESS_SCHEMES.match(address):
            raise ActiveContent


def name_of(value: Any) -> str:
    return str(value) if isinstance(value, pikepdf.Name) else ""
