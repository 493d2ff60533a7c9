"""What a file is, by its content and never by its name; pictures are made anew, without what was hidden in them."""

import re
import threading
import unicodedata
from dataclasses import dataclass
from io import BytesIO
from pathlib import PurePosixPath
from typing import Any

from django.core.files.uploadedfile import UploadedFile
from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _
from PIL import Image, ImageOps

from chat.errors import FileRefused, FileTooLarge, Refusal, TooFast
from chat.models import Site

MEGABYTE = 1024 * 1024
PER_CONVERSATION = 30
MAX_PIXELS = 40_000_000
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
_OPTIONS: dict[str, dict[str, int | bool]] = {
    "image/jpeg": {"quality": 88, "optimize": True},
    "image/png": {"optimize": False},
    "image/webp": {"quality": 88},
}

# Pillow's own guard too, for what it decodes before we have seen the size.
Image.MAX_IMAGE_PIXELS = MAX_PIXELS
_decoding = threading.BoundedSemaphore(2)


class FilesOff(FileRefused):
    words = _("Files cannot be sent here.")


class FileEmpty(FileRefused):
    words = _("This file is empty.")


class FileDamaged(FileRefused):
    code = "file_damaged"
    words = _("This file is damaged and cannot be opened. Please save it again, or send another.")


class TooManyFiles(FileRefused):
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


class Oversized(FileTooLarge):
    def __init__(self, megabytes: int) -> None:
        self.words = format_lazy(_("This file is too large: at most {megabytes} MB."), megabytes=megabytes)


class TooManyPixels(FileTooLarge):
    def __init__(self) -> None:
        self.words = format_lazy(
            _("This picture is too large: at most {megapixels} megapixels."),
            megapixels=MAX_PIXELS // 1_000_000,
        )


@dataclass(frozen=True, slots=True)
class Examined:
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


def examine(site: Site, upload: "UploadedFile[Any]") -> Examined:
    """Checks a file against what the site allows and makes it safe to keep. Raises Refusal with words that say why."""
    return examined(upload, allowed_types(site), site.attachment_megabytes)


def examined(upload: "UploadedFile[Any]", allowed: list[str], megabytes: int) -> Examined:
    """The same for what no site sends: `allowed` are content types of NAMES."""
    if upload.size is None or upload.size > megabytes * MEGABYTE:
        raise Oversized(megabytes)
    data = upload.read()
    if not data:
        raise FileEmpty
    content_type = type_of(data)
    if content_type not in allowed:
        raise KindRefused(allowed)
    if content_type == PDF:
        _check_pdf(data)
        return Examined(data, PDF, clean_name(upload.name, PDF), None, None)
    if not _decoding.acquire(timeout=10):
        raise TooFast
    try:
        return _made_anew(data, content_type, upload.name)
    finally:
        _decoding.release()


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
    """A PDF as ISO 32000-1, 7.5 lays it out: header, objects, and at the end where the cross-references start."""
    if (
        b"%%EOF" not in data[-2048:]
        or b"startxref" not in data[-4096:]
        or not re.search(rb"\d+ \d+ obj\b", data)
    ):
        raise FileDamaged


def _made_anew(data: bytes, content_type: str, name: str | None) -> Examined:
    try:
        picture = _decoded(data, content_type)
        made = _MADE[content_type]
        content = BytesIO()
        picture.save(content, _FORMATS[made], **_OPTIONS[made])
    except Refusal:
        raise
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise TooManyPixels from error
    except Exception as error:
        # What a damaged picture raises differs from format to format, and none of it is ours.
        raise FileDamaged from error
    return Examined(content.getvalue(), made, clean_name(name, made), picture.width, picture.height)


def _decoded(data: bytes, content_type: str) -> Image.Image:
    """The picture upright, in plain colours, without any of its metadata."""
    with Image.open(BytesIO(data), formats=[_FORMATS[content_type]]) as picture:
        if picture.width * picture.height > MAX_PIXELS:
            raise TooManyPixels
        if content_type == "image/jpeg" and picture.width * picture.height > KEPT_PIXELS:
            # Decodes at half the size: a quarter of the memory.
            picture.draft("RGB", (picture.width // 2, picture.height // 2))
        picture.load()
        upright = ImageOps.exif_transpose(picture)
    is_clear = upright.mode in ("RGBA", "LA", "PA") or "transparency" in upright.info
    plain = upright.convert("RGBA" if is_clear and content_type != "image/jpeg" else "RGB")
    if plain.width * plain.height > KEPT_PIXELS:
        scale = (KEPT_PIXELS / (plain.width * plain.height)) ** 0.5
        plain = plain.resize((max(1, int(plain.width * scale)), max(1, int(plain.height * scale))))
    clean = Image.new(plain.mode, plain.size)
    clean.paste(plain)
    return clean


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
