"""What a file is, by its content and never by its name; pictures are made anew, without what was hidden in them."""

import re
import unicodedata
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from chat.attachments import sandbox
from chat.errors import FileRefused, FileTooLarge
from chat.models import Site

MEGABYTE = 1024 * 1024
PER_CONVERSATION = 30
# What is kept of a picture; more is not seen on any screen.
KEPT_PIXELS = 16_000_000

PDF = "application/pdf"
NAMES = {
    "image/jpeg": ("JPG", ".jpg"),
    "image/png": ("PNG", ".png"),
    "image/gif": ("GIF", ".gif"),
    "image/webp": ("WebP", ".webp"),
    PDF: ("PDF", ".pdf"),
}
# Made anew as: a GIF keeps its first frame, as a PNG.
_MADE = {
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/png",
    "image/webp": "image/webp",
}
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
_PDF_CHILD = Path(__file__).with_name("pdf_process.py")
_PICTURE_CHILD = Path(__file__).with_name("picture_process.py")


class FilesDisabled(FileRefused):
    words = _("Files cannot be sent here.")


class FileEmpty(FileRefused):
    words = _("This file is empty.")


class FileDamaged(FileRefused):
    code = "file_damaged"
    words = _("This file is damaged and cannot be opened. Please save it again, or send another.")


class TooManyAttachments(FileRefused):
    code = "too_many_files"

    def __init__(self) -> None:
        self.words = format_lazy(
            _("No more than {count} files fit into one conversation."), count=PER_CONVERSATION
        )


class KindRefused(FileRefused):
    def __init__(self, allowed: list[str]) -> None:
        kinds = ", ".join(NAMES[content_type][0] for content_type in allowed)
        self.words = format_lazy(
            _("This kind of file cannot be sent. What can be sent: {kinds}."), kinds=kinds
        )


class PictureTooLarge(FileTooLarge):
    def __init__(self, megabytes: int) -> None:
        self.words = format_lazy(_("This file is too large: at most {megabytes} MB."), megabytes=megabytes)


class TooManyPixels(FileTooLarge):
    def __init__(self, megapixels: int) -> None:
        self.words = format_lazy(
            _("This picture is too large: at most {megapixels} megapixels."), megapixels=megapixels
        )


class PdfActive(FileRefused):
    words = _(
        "This PDF contains a script, a form action or another file. Please print it to a new PDF and send that."
    )


class PdfLocked(FileRefused):
    words = _("This PDF needs a password, so it cannot be checked. Please send it without one.")


class TooComplex(FileTooLarge):
    words = _("This file is too complex to be checked. Please save it in a smaller size, or send another.")


# By what chat/attachments/pdf_process.py answers.
_PDF_REFUSALS: dict[str, type[FileRefused]] = {
    "active": PdfActive,
    "password": PdfLocked,
    "too_complex": TooComplex,
    "damaged": FileDamaged,
}


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """What may be stored. `name` is fit for any file system; `width` and `height` are None for a PDF."""

    content: bytes
    content_type: str
    name: str
    width: int | None
    height: int | None


def allowed_types(site: Site) -> list[str]:
    """The kinds of file that may be sent on this site, in a fixed order; all when none is named."""
    return [kind for kind in NAMES if not site.attachment_types or kind in site.attachment_types]


def max_bytes(site: Site) -> int:
    return site.attachment_megabytes * MEGABYTE


def examine(site: Site, upload: "UploadedFile[Any]") -> ExaminedFile:
    """Checks a file against what the site allows and makes it safe to keep. Raises Refusal with words that say why."""
    return examine_in_sandbox(upload, allowed_types(site), site.attachment_megabytes)


def examine_in_sandbox(upload: "UploadedFile[Any]", allowed: list[str], megabytes: int) -> ExaminedFile:
    """The same for what no site sends: `allowed` are content types of NAMES."""
    if upload.size is None or upload.size > megabytes * MEGABYTE:
        raise PictureTooLarge(megabytes)
    data = upload.read()
    if not data:
        raise FileEmpty
    content_type = type_of(data)
    if content_type not in allowed:
        raise KindRefused(allowed)
    if content_type == PDF:
        _check_pdf(data)
        return ExaminedFile(data, PDF, clean_name(upload.name, PDF), None, None)
    return _reencode(data, content_type, upload.name)


def type_of(data: bytes) -> str:
    """The content type by the first bytes, "" for any other."""
    if data.startswith(b"\xff\xd8\xff"):
        return "image/jpeg"
    if data.startswith(b"\x89PNG\r\n\x1a\n"):
        return "image/png"
    if data.startswith((b"GIF87a", b"GIF89a")):
        return "image/gif"
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    if re.match(rb"%PDF-[12]\.\d", data):
        return PDF
    return ""


def _check_pdf(data: bytes) -> None:
    """Let through what only shows pages, in a child process. Raises FileDamaged, PdfActive, PdfLocked, TooComplex."""
    if b"%%EOF" not in data[-2048:]:
        raise FileDamaged
    try:
        header, _content = sandbox.run(_PDF_CHILD, data)
    except sandbox.LimitReached as error:
        raise TooComplex from error
    if "refused" in header:
        raise _PDF_REFUSALS[header["refused"]]


def _reencode(data: bytes, content_type: str, name: str | None) -> ExaminedFile:
    """Decode and encode a picture in a child process. Raises FileDamaged, TooManyPixels and TooComplex."""
    made = _MADE[content_type]
    formats = (_FORMATS[content_type], _FORMATS[made])
    try:
        header, content = sandbox.run(_PICTURE_CHILD, data, *formats, str(KEPT_PIXELS))
    except sandbox.LimitReached as error:
        raise TooComplex from error
    if header.get("refused") == "too_many_pixels":
        raise TooManyPixels(header["megapixels"])
    if "refused" in header:
        raise FileDamaged
    return ExaminedFile(content, made, clean_name(name, made), header["width"], header["height"])


def clean_name(name: str | None, content_type: str) -> str:
    """A file name to show and to save under: one line, no path, nothing that turns the reading order, and the
    ending of what the file is."""
    ending = NAMES[content_type][1]
    text = unicodedata.normalize("NFC", name or "").replace("\\", "/").rsplit("/", 1)[-1]
    # Cc, Cf: control and format characters, among them the marks that turn the order of letters. Cs: half a pair.
    text = "".join(
        " " if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else letter for letter in text
    )
    text = re.sub(r'[<>:"|?*]', "_", " ".join(text.split()))
    stem, suffix = PurePosixPath(text).stem, PurePosixPath(text).suffix.lower()
    known = {ending for _, ending in NAMES.values()} | {".jpeg"}
    stem = (stem if suffix in known else text).strip(". ")[:100].strip()
    if not stem:
        stem = "file" if content_type == PDF else "picture"
    return stem + ending
