"""Look into a PDF for anything that acts: scripts, actions, embedded files, forms that send. Runs in a child process.

All objects are read, also those in object streams, in encrypted files and of earlier revisions (ISO 32000-2, 7.5 and
12.6).
"""

import re
from io import BytesIO
from typing import Any

import pikepdf

# An earlier revision is what stands before one of the last ends of the file; a viewer that repairs may show it.
MAX_REVISIONS = 20
MAX_OBJECTS = 200_000
MAX_DEPTH = 60
# Keys of dictionaries that hold a script, an action that runs by itself, or a whole other file or form.
ACTIVE_KEYS = {
    "/JS", "/JavaScript", "/AA", "/XFA", "/EmbeddedFile", "/EmbeddedFiles", "/RichMedia", "/RichMediaContent",
    "/RichMediaSettings", "/3DD", "/OnInstantiate",
}  # fmt: skip
# Other actions, by their /S, which page labels and structure elements have as well (12.6.4).
ACTIONS = {
    "/GoToR", "/GoToE", "/GoToDp", "/Launch", "/Sound", "/Movie", "/SubmitForm", "/ResetForm", "/ImportData",
    "/JavaScript", "/SetOCGState", "/Rendition", "/GoTo3DView", "/RichMediaExecute", "/Hide",
}  # fmt: skip
# Actions that may stay: they turn pages and open addresses after a press.
HARMLESS_ACTIONS = {"/GoTo", "/URI", "/Named"}
ACTIVE_TYPES = {"/EmbeddedFile"}
ACTIVE_SUBTYPES = {
    "/FileAttachment", "/RichMedia", "/Screen", "/Movie", "/Sound", "/3D", "/JavaScript", "/Launch",
}  # fmt: skip
HARMLESS_SCHEMES = re.compile(rb"\s*(https?|mailto|tel):", re.IGNORECASE)


class ActiveContent(Exception):
    """The file holds something that acts."""


class NestedTooDeep(Exception):
    """More objects, or deeper ones, than any document has."""


def answer(data: bytes) -> tuple[dict[str, Any], bytes]:
    """Return an empty header when the file only shows pages, else `refused`: why it cannot be sent."""
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
    """What the file was before each incremental update."""
    ends = [match.end() for match in re.finditer(rb"%%EOF", data)][:-1]
    if len(ends) > MAX_REVISIONS:
        raise NestedTooDeep
    return [data[:end] for end in ends]


def check(data: bytes, *, is_whole: bool) -> None:
    try:
        opened = pikepdf.open(BytesIO(data), suppress_warnings=True)
    except pikepdf.PdfError:
        if is_whole:
            raise
        # An %%EOF that ends no revision, as in a file that is written for the web: part of the whole.
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
    """Check the direct values of an object. What it refers to is an object of its own turn."""
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
