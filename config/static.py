"""Static files under names that hold a hash of their content, so that browsers may keep them for ever."""

from collections.abc import Callable
from re import Match
from typing import Any

from whitenoise.storage import CompressedManifestStaticFilesStorage


class HashedStorage(CompressedManifestStaticFilesStorage):
    # JavaScript modules import each other by relative path: those paths are rewritten too.
    support_js_module_import_aggregation = True
    # django.contrib.admin and vendored files may name maps that are not shipped.
    manifest_strict = False

    def url_converter(self, name: str, *args: Any, **kwargs: Any) -> Callable[[Match[str]], str]:
        # A comment in an extension of htmx shows an import of a file that there is not.
        if name.startswith("django_htmx/"):
            return lambda match: match[0]
        convert: Callable[[Match[str]], str] = super().url_converter(name, *args, **kwargs)
        return convert
