"""Script for the sandbox: decodes a picture and encodes it again, upright, in sRGB and without metadata.

It runs in a child process of `chat.attachments.sandbox`.
"""

import contextlib
from io import BytesIO
from typing import Any

from PIL import Image, ImageChops, ImageCms, ImageOps, PngImagePlugin

MEGAPIXEL = 1_000_000
# The limit for pictures that need little memory: JPEGs, which can be decoded at half the size, and modes with one byte
# per pixel.
MAX_PIXELS_SMALL = 40 * MEGAPIXEL
MAX_PIXELS = 16 * MEGAPIXEL
SMALL_MODES = {"1", "L", "P"}
# The limit must be generous, because Photoshop writes an edit history of several megabytes into the text chunks of a
# PNG.
MAX_TEXT_BYTES = 8 * 1024 * 1024
PLAIN_MODES = {"L", "RGB", "RGBA"}
# The gamma of sRGB, which screens assume for pictures without colour data (PNG 3rd edition, 11.3.2.2).
SCREEN_GAMMA = 2.2
OPTIONS: dict[str, dict[str, Any]] = {
    "JPEG": {"quality": 88, "optimize": True},
    "PNG": {},
    "WEBP": {"quality": 88, "method": 2},
}

Image.MAX_IMAGE_PIXELS = None  # `max_pixels` replaces Pillow's limit, which ignores the bytes per pixel.
PngImagePlugin.MAX_TEXT_CHUNK = MAX_TEXT_BYTES


def answer(data: bytes, source: str, target: str, kept_pixels: str) -> tuple[dict[str, Any], bytes]:
    """Convert a picture to the `target` format and return (header, content).

    The header has the width and height, or `refused` with the reason: "damaged" or "too_many_pixels".
    """
    try:
        with Image.open(BytesIO(data), formats=[source]) as picture:
            limit = max_pixels(picture, source)
            if picture.width * picture.height > limit:
                return {"refused": "too_many_pixels", "megapixels": limit // MEGAPIXEL}, b""
            plain = plain_picture(picture, source, int(kept_pixels))
        content = BytesIO()
        plain.save(content, target, **OPTIONS[target])
    except MemoryError:
        raise
    except Exception:
        return {"refused": "damaged"}, b""
    return {"width": plain.width, "height": plain.height}, content.getvalue()


def max_pixels(picture: Image.Image, source: str) -> int:
    """Return the maximum number of pixels for a picture to be decoded. It depends on the memory that each pixel
    needs."""
    is_small = source == "JPEG" or (source == "PNG" and picture.mode in SMALL_MODES)
    return MAX_PIXELS_SMALL if is_small else MAX_PIXELS


def plain_picture(picture: Image.Image, source: str, kept_pixels: int) -> Image.Image:
    """Return the picture upright, in sRGB, without metadata, and scaled down to at most `kept_pixels`."""
    if source == "JPEG" and picture.width * picture.height > kept_pixels:
        # `draft` decodes at half the size, with a quarter of the memory. The mode is kept, because the colour profile
        # needs it.
        picture.draft(picture.mode, (picture.width // 2, picture.height // 2))
    picture.load()
    info: dict[Any, Any] = dict(picture.info)
    orientation = picture.getexif().get(0x0112)
    plain = in_srgb(eight_bit(picture), info)
    if plain.width * plain.height > kept_pixels:
        scale = (kept_pixels / (plain.width * plain.height)) ** 0.5
        plain = plain.resize((max(1, int(plain.width * scale)), max(1, int(plain.height * scale))))
    if orientation:
        plain.getexif()[0x0112] = orientation
        ImageOps.exif_transpose(plain, in_place=True)
    plain.info = {}
    plain._exif = None
    return plain


def eight_bit(picture: Image.Image) -> Image.Image:
    """Return the picture with 8 bits per channel, in mode L, RGB, RGBA or CMYK. Raises ValueError for other modes."""
    if picture.mode.startswith("I;16"):
        return _eight_bit_grey(picture)
    if picture.mode in ("I", "F"):
        # No allowed format is decoded to these modes. Refuse them, because `convert` would clip values to white.
        raise ValueError(picture.mode)
    if picture.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in picture.info:
        return picture.convert("RGBA")
    if picture.mode == "CMYK":
        return picture.copy()
    return picture.convert("L" if picture.mode in ("1", "L") else "RGB")


def _eight_bit_grey(picture: Image.Image) -> Image.Image:
    """Convert 16-bit samples to 8 bits by keeping the high byte.

    Pillow's `convert` would instead clip values above 255 to white.
    """
    samples = picture.tobytes()
    is_big = picture.mode == "I;16B"
    high = Image.frombytes("L", picture.size, samples[0 if is_big else 1 :: 2])
    clear = picture.info.get("transparency")
    if not isinstance(clear, int):
        return high
    low = Image.frombytes("L", picture.size, samples[1 if is_big else 0 :: 2])
    masks = [
        part.point([255 if value == wanted else 0 for value in range(256)])
        for part, wanted in ((high, clear >> 8), (low, clear & 255))
    ]
    alpha = ImageChops.invert(ImageChops.multiply(*masks))
    return Image.merge("RGBA", (high, high, high, alpha))


def in_srgb(picture: Image.Image, info: dict[Any, Any]) -> Image.Image:
    """Return the picture converted to sRGB, by its colour profile or, for a PNG, by its gamma.

    The conversion is needed because the profile and the gamma are removed with the metadata.
    """
    profile = info.get("icc_profile")
    if profile:
        # Ignore an invalid profile, as browsers do.
        with contextlib.suppress(ImageCms.PyCMSError, OSError, ValueError):
            picture = _from_profile(picture, profile)
    elif "srgb" not in info:
        picture = _from_gamma(picture, info.get("gamma"))
    return picture if picture.mode in PLAIN_MODES else picture.convert("RGB")


def _from_profile(picture: Image.Image, profile: bytes) -> Image.Image:
    mode = picture.mode
    space = ImageCms.getOpenProfile(BytesIO(profile)).profile.xcolor_space.strip()
    if {"L": "GRAY", "RGB": "RGB", "RGBA": "RGB", "CMYK": "CMYK"}[mode] != space:
        return picture
    made = ImageCms.profileToProfile(
        picture, BytesIO(profile), ImageCms.createProfile("sRGB"),
        outputMode="RGBA" if mode == "RGBA" else "RGB",
    )  # fmt: skip
    assert made is not None
    return made


def _from_gamma(picture: Image.Image, gamma: Any) -> Image.Image:
    if picture.mode not in PLAIN_MODES or not isinstance(gamma, float) or not 0.05 < gamma < 5:
        return picture
    exponent = 1 / (gamma * SCREEN_GAMMA)
    if abs(exponent - 1) < 0.05:
        return picture
    table = [round(255 * (value / 255) ** exponent) for value in range(256)]
    same = list(range(256))
    channels = len(picture.getbands())
    return picture.point(table * min(channels, 3) + (same if channels == 4 else []))
