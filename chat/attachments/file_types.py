"""Checks uploaded files and makes them safe to store.

The type of a file is detected from its content, never from its name. Pictures are encoded again, without hidden data.
"""

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
MAX_PER_CONVERSATION = 30
# Larger pictures are scaled down to this number of pixels, because no screen shows more.
MAX_STORED_PIXELS = 16_000_000

PDF = "application/pdf"
FILE_TYPES = {
    "image/jpeg": ("JPG", ".jpg"),
    "image/png": ("PNG", ".png"),
    "image/gif": ("GIF", ".gif"),
    "image/webp": ("WebP", ".webp"),
    PDF: ("PDF", ".pdf"),
}
# The content type in which each type of picture is stored. A GIF becomes a PNG of its first frame.
_STORED_TYPES = {
    "image/jpeg": "image/jpeg",
    "image/png": "image/png",
    "image/gif": "image/png",
    "image/webp": "image/webp",
}
_FORMATS = {"image/jpeg": "JPEG", "image/png": "PNG", "image/gif": "GIF", "image/webp": "WEBP"}
_PDF_SCRIPT = Path(__file__).with_name("pdf_process.py")
_PICTURE_SCRIPT = Path(__file__).with_name("picture_process.py")


class FilesDisabled(FileRefused):
    text = _("Files cannot be sent here.")


class FileEmpty(FileRefused):
    text = _("This file is empty.")


class FileDamaged(FileRefused):
    code = "file_damaged"
    text = _("This file is damaged and cannot be opened. Please save it again or send another file.")


class TooManyAttachments(FileRefused):
    code = "too_many_files"
    http_status = 409

    def __init__(self) -> None:
        self.text = format_lazy(
            _("You can send at most {count} files in one conversation."), count=MAX_PER_CONVERSATION
        )


class FileTypeRefused(FileRefused):
    def __init__(self, allowed: list[str]) -> None:
        kinds = ", ".join(FILE_TYPES[content_type][0] for content_type in allowed)
        self.text = format_lazy(_("This kind of file cannot be sent. You can send: {kinds}."), kinds=kinds)


class FileOverSizeLimit(FileTooLarge):
    def __init__(self, megabytes: int) -> None:
        self.text = format_lazy(
            _("This file is too large. The limit is {megabytes} MB."), megabytes=megabytes
        )


class TooManyPixels(FileTooLarge):
    def __init__(self, megapixels: int) -> None:
        self.text = format_lazy(
            _("This picture is too large. The limit is {megapixels} megapixels."), megapixels=megapixels
        )


class PdfActive(FileRefused):
    text = _(
        "This PDF contains a script, a form action or another file. Please print it to a new PDF and send that."
    )


class PdfLocked(FileRefused):
    text = _("This PDF needs a password, so we cannot check it. Please send a copy without a password.")


class TooComplex(FileTooLarge):
    text = _("This file is too complex to check. Please save a smaller version or send another file.")


# The refusal for each value of `refused` that chat/attachments/pdf_process.py returns.
_PDF_REFUSALS: dict[str, type[FileRefused]] = {
    "active": PdfActive,
    "password": PdfLocked,
    "too_complex": TooComplex,
    "damaged": FileDamaged,
}


@dataclass(frozen=True, slots=True)
class ExaminedFile:
    """A checked file that is safe to store. `name` is valid on any file system; `width` and `height` are None for a
    PDF."""

    content: bytes
    content_type: str
    name: str
    width: int | None
    height: int | None


def allowed_types(site: Site) -> list[str]:
    """Return the content types of files that may be sent on this site, in a fixed order.

    If the site lists no types, all of FILE_TYPES are allowed.
    """
    return [name for name in FILE_TYPES if not site.attachment_types or name in site.attachment_types]


def max_bytes(site: Site) -> int:
    return site.attachment_megabytes * MEGABYTE


def examine(site: Site, upload: "UploadedFile[Any]") -> ExaminedFile:
    """Check a file against the site's limits and return a version that is safe to store. Raises FileRefused or a
    subclass."""
    return examine_in_sandbox(upload, allowed_types(site), site.attachment_megabytes)


def examine_in_sandbox(upload: "UploadedFile[Any]", allowed: list[str], megabytes: int) -> ExaminedFile:
    """Check the type and size of a file, and return a version that is safe to store. Raises FileRefused or a subclass.

    `allowed` lists content types of FILE_TYPES, and `megabytes` is the maximum size.
    """
    if upload.size is None or upload.size > megabytes * MEGABYTE:
        raise FileOverSizeLimit(megabytes)
    data = upload.read()
    if not data:
        raise FileEmpty
    content_type = detect_type(data)
    if content_type not in allowed:
        raise FileTypeRefused(allowed)
    if content_type == PDF:
        _check_pdf(data)
        return ExaminedFile(data, PDF, clean_name(upload.name, PDF), None, None)
    return _reencode(data, content_type, upload.name)


def detect_type(data: bytes) -> str:
    """Return the content type of a file by its first bytes, or "" if the type is not in FILE_TYPES."""
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
    """Check in a child process that a PDF has no active content. Raises FileDamaged, PdfActive, PdfLocked,
    TooComplex."""
    if b"%%EOF" not in data[-2048:]:
        raise FileDamaged
    try:
        header, _content = sandbox.run(_PDF_SCRIPT, data)
    except sandbox.LimitReached as error:
        raise TooComplex from error
    if "refused" in header:
        raise _PDF_REFUSALS[header["refused"]]


def _reencode(data: bytes, content_type: str, name: str | None) -> ExaminedFile:
    """Decode a picture and encode it again in a child process. Raises FileDamaged, TooManyPixels, TooComplex."""
    stored_type = _STORED_TYPES[content_type]
    formats = (_FORMATS[content_type], _FORMATS[stored_type])
    try:
        header, content = sandbox.run(_PICTURE_SCRIPT, data, *formats, str(MAX_STORED_PIXELS))
    except sandbox.LimitReached as error:
        raise TooComplex from error
    if header.get("refused") == "too_many_pixels":
        raise TooManyPixels(header["megapixels"])
    if "refused" in header:
        raise FileDamaged
    return ExaminedFile(
        content, stored_type, clean_name(name, stored_type), header["width"], header["height"]
    )


def clean_name(name: str | None, content_type: str) -> str:
    """Return a file name that is safe to display and to use on disk.

    The result is one line, without a path and without characters that change the reading order. Its extension is the
    usual one for the content type.
    """
    extension = FILE_TYPES[content_type][1]
    text = unicodedata.normalize("NFC", name or "").replace("\\", "/").rsplit("/", 1)[-1]
    # Unicode categories: Cc and Cf are control and format characters, including bidirectional marks; Cs are lone
    # surrogates; Zl and Zp are line and paragraph separators.
    text = "".join(
        " " if unicodedata.category(letter) in {"Cc", "Cf", "Cs", "Zl", "Zp"} else letter for letter in text
    )
    text = re.sub(r'[<>:"|?*]', "_", " ".join(text.split()))
    stem, suffix = PurePosixPath(text).stem, PurePosixPath(text).suffix.lower()
    known = {extension for _, extension in FILE_TYPES.values()} | {".jpeg"}
    stem = (stem if suffix in known else text).strip(". ")[:100].strip()
    if not stem:
        stem = "file" if content_type == PDF else "picture"
    return stem + extension
