"""Maintain the catalogue of Chinese translations: `python -m scripts.catalogue check` or `update`.

`check` fails in these cases:

- A translatable text of the source code is missing from the catalogue.
- The catalogue contains a text that the source code no longer has.
- A text is untranslated or fuzzy.
- The compiled file is missing or differs from the catalogue.

`update` collects the translatable texts of the source code into the catalogue, and compiles the translated ones.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = Path("locale/zh_Hans/LC_MESSAGES/django.po")
NOT_SOURCE = (".venv", "var", "node_modules", "tests", "scripts", "docs", "deploy")


def make_messages(folder: Path) -> None:
    """Collect the translatable texts of the source code under `folder` into the catalogue under the same folder."""
    ignored = [part for name in NOT_SOURCE for part in ("--ignore", name)]
    command = ["manage.py", "makemessages", "--locale=zh_Hans", "--no-location", "--no-wrap", *ignored]
    result = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"makemessages failed:\n{result.stdout}{result.stderr}")


def texts_of(catalogue: polib.POFile) -> set[tuple[str | None, str]]:
    """Return the (context, English text) pairs of the catalogue that are not obsolete. A pair identifies a text."""
    return {(entry.msgctxt, entry.msgid) for entry in catalogue if not entry.obsolete}


def texts_of_source() -> set[tuple[str | None, str]]:
    """Return the (context, English text) pairs of the source code. Search a copy of the source code, so that the
    catalogue itself stays as it is."""
    with tempfile.TemporaryDirectory(prefix="lianxin-messages-") as copy:
        shutil.copytree(
            ROOT,
            copy,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(*NOT_SOURCE, ".*", "__pycache__", "*.mo"),
        )
        make_messages(Path(copy))
        return texts_of(polib.pofile(str(Path(copy) / CATALOGUE)))


def find_problems() -> list[str]:
    """Return all problems of the catalogue, each as one line of text."""
    if not (ROOT / CATALOGUE).exists():
        return [f"{CATALOGUE} is missing"]
    catalogue = polib.pofile(str(ROOT / CATALOGUE))
    problems = [f"not translated: {entry.msgid!r}" for entry in catalogue.untranslated_entries()]
    problems += [f"fuzzy: {entry.msgid!r}" for entry in catalogue.fuzzy_entries()]

    source, known = texts_of_source(), texts_of(catalogue)
    problems += [f"only in the source: {text!r}" for _, text in sorted(source - known, key=str)]
    problems += [f"only in the catalogue: {text!r}" for _, text in sorted(known - source, key=str)]

    compiled_path = (ROOT / CATALOGUE).with_suffix(".mo")
    if not compiled_path.exists():
        return [*problems, f"not compiled: {compiled_path.name} is missing"]
    compiled = polib.mofile(str(compiled_path))
    actual = {(entry.msgctxt, entry.msgid): translation_of(entry) for entry in compiled}
    expected = {
        (entry.msgctxt, entry.msgid): translation_of(entry) for entry in catalogue.translated_entries()
    }
    problems += [
        f"compiled file differs from the catalogue: {key[1]!r}"
        for key in sorted(actual.keys() | expected.keys(), key=str)
        if actual.get(key) != expected.get(key)
    ]
    return problems


def translation_of(entry: polib.POEntry | polib.MOEntry) -> tuple[str, dict[int, str]]:
    """Return the translation of an entry, and its translated plural forms by number. The translation is "" if there are
    plural forms."""
    forms = {int(number): text for number, text in (entry.msgstr_plural or {}).items()}
    return ("" if forms else entry.msgstr, forms)


def main(verb: str) -> int:
    """Run `check` or `update` and return the exit code."""
    if verb == "update":
        make_messages(ROOT)
        catalogue = polib.pofile(str(ROOT / CATALOGUE))
        catalogue.save_as_mofile(str((ROOT / CATALOGUE).with_suffix(".mo")))
        untranslated = len(catalogue.untranslated_entries()) + len(catalogue.fuzzy_entries())
        print(f"{len(texts_of(catalogue))} texts, {untranslated} still to translate in {CATALOGUE}")
        return 0
    if verb == "check":
        problems = find_problems()
        print("\n".join(problems) if problems else "every text is translated and compiled")
        return 1 if problems else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [""]))
