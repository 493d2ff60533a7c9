"""Tests of picture attachments.

In every colour mode of the allowed formats, the stored picture looks like the original. Invalid pictures are refused.
"""

import struct
import zlib
from io import BytesIO
from typing import Any

import pytest
from PIL import Image, ImageCms, ImageStat

from chat.attachments.file_types import FileDamaged, TooManyPixels, examine
from chat.models import Site
from tests.harness.files import uploaded

# Needed because `sandbox.run` closes the database connection while it waits (core.database_threads.release_slot).
pytestmark = pytest.mark.django_db

GREY = Image.linear_gradient("L")
COLOURS = Image.merge("RGB", (GREY, GREY.rotate(90), GREY.rotate(180)))
TRANSPARENT = Image.merge("RGBA", (*COLOURS.split(), GREY))


def saved(picture: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = BytesIO()
    picture.save(content, kind, **options)
    return content.getvalue()


def chunk(name: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))


def png(
    size: tuple[int, int], depth: int, kind: int, rows: bytes, *chunks: bytes, interlaced: bool = False
) -> bytes:
    header = struct.pack(">IIBBBBB", *size, depth, kind, 0, 0, interlaced)
    parts = [chunk(b"IHDR", header), *chunks, chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")]
    return b"\x89PNG\r\n\x1a\n" + b"".join(parts)


def deep_rows(channels: int) -> bytes:
    """Return the pixel rows of a 64 by 64 gradient with 16-bit samples, in the form of PNG data."""
    return b"".join(b"\0" + struct.pack(">H", row * 1024) * (64 * channels) for row in range(64))


def stored(data: bytes) -> Image.Image:
    with Image.open(BytesIO(examine(Site(), uploaded(data)).content)) as picture:
        picture.load()
        return picture


def assert_alike(actual: Image.Image, expected: Image.Image, tolerance: float = 4) -> None:
    assert actual.size == expected.size
    first, second = (ImageStat.Stat(picture.convert("RGBA")) for picture in (actual, expected))
    for name in ("mean", "stddev"):
        assert getattr(first, name) == pytest.approx(getattr(second, name), abs=tolerance)


ALIKE: dict[str, tuple[bytes, Image.Image]] = {
    "1": (saved(GREY.convert("1")), GREY.convert("1")),
    "L": (saved(GREY), GREY),
    "LA": (saved(Image.merge("LA", (GREY, GREY))), Image.merge("LA", (GREY, GREY))),
    "P": (saved(COLOURS.quantize(256)), COLOURS.quantize(256)),
    "P with a transparent colour": (saved(GREY.convert("P"), transparency=0), TRANSPARENT.copy()),
    "RGB": (saved(COLOURS), COLOURS),
    "RGBA": (saved(TRANSPARENT), TRANSPARENT),
    "JPEG grey": (saved(GREY, "JPEG"), GREY),
    "JPEG progressive": (saved(COLOURS, "JPEG", progressive=True), COLOURS),
    "JPEG CMYK": (saved(COLOURS.convert("CMYK"), "JPEG"), COLOURS),
    "GIF": (saved(GREY, "GIF"), GREY),
    "WebP": (saved(TRANSPARENT, "WEBP", lossless=True), TRANSPARENT),
    "16-bit grey": (png((64, 64), 16, 0, deep_rows(1)), GREY.resize((64, 64))),
    "16-bit colours": (png((64, 64), 16, 2, deep_rows(3)), GREY.resize((64, 64))),
}
with Image.open(BytesIO(ALIKE["P with a transparent colour"][0])) as _opened:
    ALIKE["P with a transparent colour"] = (ALIKE["P with a transparent colour"][0], _opened.convert("RGBA"))


@pytest.mark.parametrize(("data", "expected"), ALIKE.values(), ids=ALIKE)
def test_stored_picture_of_any_mode_looks_the_same(data: bytes, expected: Image.Image) -> None:
    assert_alike(stored(data), expected)


def test_transparent_value_of_a_16_bit_grey_picture_stays_transparent() -> None:
    data = png((64, 64), 16, 0, deep_rows(1), chunk(b"tRNS", struct.pack(">H", 1024)))
    alpha = stored(data).getchannel("A")
    assert [alpha.getpixel((5, row)) for row in range(3)] == [255, 0, 255]


def test_gamma_of_a_png_is_applied_before_it_is_removed() -> None:
    rows = b"".join(b"\0" + bytes([128]) * 64 for _row in range(64))
    linear = stored(png((64, 64), 8, 0, rows, chunk(b"gAMA", struct.pack(">I", 100_000))))
    assert linear.convert("L").getpixel((5, 5)) == round(255 * (128 / 255) ** (1 / 2.2))
    usual = stored(png((64, 64), 8, 0, rows, chunk(b"gAMA", struct.pack(">I", 45_455))))
    assert usual.convert("L").getpixel((5, 5)) == 128


def test_colour_profile_is_applied_before_it_is_removed() -> None:
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    assert_alike(stored(saved(COLOURS, icc_profile=lab)), COLOURS)


def test_orientation_is_applied_once() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    picture = stored(saved(COLOURS.resize((60, 30)), "JPEG", exif=exif))
    assert picture.size == (30, 60)
    assert not picture.getexif()
    assert_alike(picture, COLOURS.resize((60, 30)).transpose(Image.Transpose.ROTATE_270))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP"])
def test_truncated_picture_is_refused(kind: str) -> None:
    data = saved(Image.effect_noise((200, 200), 90).convert("RGB"), kind)
    with pytest.raises(FileDamaged):
        examine(Site(), uploaded(data[: len(data) // 2]))


def test_picture_without_a_width_is_refused() -> None:
    with pytest.raises(FileDamaged):
        examine(Site(), uploaded(png((0, 64), 8, 0, b"")))


def test_colour_picture_over_16_megapixels_is_refused_with_the_limit() -> None:
    with pytest.raises(TooManyPixels) as refused:
        examine(Site(), uploaded(png((6300, 6300), 8, 6, b"")))
    assert "16" in str(refused.value.text)


def test_compressed_text_bomb_in_a_png_is_refused() -> None:
    text = zlib.compress(bytes(50_000_000), 9)
    with pytest.raises(FileDamaged):
        examine(Site(), uploaded(png((64, 64), 16, 0, deep_rows(1), chunk(b"zTXt", b"a\0\0" + text))))
