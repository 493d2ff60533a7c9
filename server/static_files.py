"""Storage of static files under names with a hash of their content, so that browsers may cache them forever."""

import os
import posixpath
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from re import Match
from typing import Any

import zopfli.gzip
from django.contrib.staticfiles import finders
from rcssmin import cssmin
from whitenoise.compress import Compressor
from whitenoise.storage import CompressedManifestStaticFilesStorage

from server.js_bundler import bundle, minified

# Scripts that are served as one file together with the modules that they import.
BUNDLED = ("widget/main.js",)
# Other files for visitors. They are minified, but import no modules.
SCRIPTS = ("widget/loader.js",)
SHEETS = ("tokens.css", "widget/widget.css")
_IMPORT = re.compile(r'^@import "(\.[^"]+)";$', re.MULTILINE)


def _source(name: str) -> str:
    path = finders.find(name)
    assert isinstance(path, str), f"there is no static file {name}"
    return Path(path).read_text(encoding="utf-8")


def _sheet(name: str) -> str:
    """Return the minified style sheet, with each import replaced by the content of the imported sheet."""

    def imported(match: Match[str]) -> str:
        return _sheet(posixpath.normpath(posixpath.join(posixpath.dirname(name), match[1])))

    return str(cssmin(_IMPORT.sub(imported, _source(name))))


class WidgetCompressor(Compressor):
    """Compresses with zopfli the files that every visitor loads. They become smaller; the build takes one second
    longer."""

    def write_data(self, path: str, data: bytes, suffix: str, stat_result: os.stat_result) -> str:
        if suffix == ".gz" and Path(path).parent.name == "widget":
            data = zopfli.gzip.compress(Path(path).read_bytes())
        return str(super().write_data(path, data, suffix, stat_result))


class HashedStorage(CompressedManifestStaticFilesStorage):
    """Storage that bundles and minifies the visitors' files and then hashes and compresses all files."""

    # Also rewrite the relative paths by which JavaScript modules import each other.
    support_js_module_import_aggregation = True
    # Each pass resolves one more level of modules that import modules.
    max_post_process_passes = 20
    # Files of django.contrib.admin and vendored files may refer to source maps that are not shipped.
    manifest_strict = False

    def post_process(self, paths: dict[str, Any], dry_run: bool = False, **options: Any) -> Iterator[Any]:
        # Always read the sources, because collected files may be older.
        outputs: dict[str, str] = {}
        if not dry_run:
            outputs |= {name: minified(bundle(name, _source)) for name in BUNDLED if name in paths}
            outputs |= {name: minified(_source(name)) for name in SCRIPTS if name in paths}
            outputs |= {name: _sheet(name) for name in SHEETS if name in paths}
        for name, text in outputs.items():
            Path(self.path(name)).write_text(text, encoding="utf-8")
            paths[name] = (self, name)
        yield from super().post_process(paths, dry_run=dry_run, **options)

    def create_compressor(self, **options: Any) -> Compressor:
        return WidgetCompressor(**options)

    def url_converter(self, name: str, *args: Any, **kwargs: Any) -> Callable[[Match[str]], str]:
        # Do not rewrite extensions of htmx: a comment in one of them shows an import of a file that does not exist.
        if name.startswith("django_htmx/"):
            return lambda match: match[0]
        convert: Callable[[Match[str]], str] = super().url_converter(name, *args, **kwargs)
        return convert
