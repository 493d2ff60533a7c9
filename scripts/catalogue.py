"""Maintain the Chinese catalogue: `python -m scripts.catalogue check` or `update`.

`check` fails when a text of the source is missing from the catalogue, when the catalogue holds a text that the source
no longer has, when a text is untranslated or fuzzy, or when the compiled file differs from the catalogue. `update`
collects the texts of the source and compiles the translated ones.
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
    """Collect the texts of the source under `folder` into the catalogue there."""
    ignored = [part for name in NOT_SOURCE for part in ("--ignore", name)]
    command = ["manage.py", "makemessages", "--locale=zh_Hans", "--no-location", "--no-wrap", *ignored]
    result = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"makemessages failed:\n{result.stdout}{result.stderr}")


def texts_of(catalogue: polib.POFile) -> set[tuple[str | None, str]]:
    """Return context and English of every text that is not obsolete; the two together identify a text."""
    return {(entry.msgctxt, entry.msgid) for entry in catalogue if not entry.obsolete}


def texts_of_source() -> set[tuple[str | None, str]]:
    """Collect the texts in a copy of the source, so that a check changes no file."""
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
    """Return every problem of the catalogue, one line each."""
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
    """Return the translation of a text without plural ("" if it has one), and its plural forms by number."""
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
