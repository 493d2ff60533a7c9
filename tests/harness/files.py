"""PDF documents and other files that tests upload. The PDF documents are made by the library that also reads them."""

from collections.abc import Callable
from io import BytesIO
from typing import Any

import pikepdf
from django.core.files.uploadedfile import SimpleUploadedFile


def pdf(change: Callable[[pikepdf.Pdf], None] | None = None, **options: Any) -> bytes:
    """Return a PDF with one empty page. `change` may modify the document; `options` go to pikepdf's `save`."""
    content = BytesIO()
    with pikepdf.new() as document:
        document.add_blank_page()
        if change:
            change(document)
        document.save(content, **options)
    return content.getvalue()


def uploaded(content: bytes, name: str = "file") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content)
