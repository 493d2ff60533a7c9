"""The Chinese catalogue: `python -m scripts.catalogue check` or `update`.

`check` fails when a text of the source is not in the catalogue, when the catalogue holds one that is gone,
when one is not translated or only guessed (fuzzy), or when the compiled file says something else.
`update` gathers the texts and compiles those that are translated.
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
    """Gather the texts of the source under `folder` into the catalogue there."""
    ignored = [part for name in NOT_SOURCE for part in ("--ignore", name)]
    command = ["manage.py", "makemessages", "--locale=zh_Hans", "--no-location", "--no-wrap", *ignored]
    result = subprocess.run([sys.executable, *command], cwd=folder, capture_output=True, text=True)
    if result.returncode:
        raise SystemExit(f"makemessages failed:\n{result.stdout}{result.stderr}")


def texts(catalogue: polib.POFile) -> set[tuple[str | None, str]]:
    """Return what tells each live text from another: its context and its English."""
    return {(entry.msgctxt, entry.msgid) for entry in catalogue if not entry.obsolete}


def texts_of_source() -> set[tuple[str | None, str]]:
    """Gather the texts anew in a copy of the source, so that checking changes nothing."""
    with tempfile.TemporaryDirectory(prefix="lianxin-messages-") as copy:
        shutil.copytree(
            ROOT,
            copy,
            dirs_exist_ok=True,
            ignore=shutil.ignore_patterns(*NOT_SOURCE, ".*", "__pycache__", "*.mo"),
        )
        make_messages(Path(copy))
        return texts(polib.pofile(str(Path(copy) / CATALOGUE)))


def problems() -> list[str]:
    """Return every fault of the catalogue, one line each."""
    if not (ROOT / CATALOGUE).exists():
        return [f"{CATALOGUE} is missing"]
    readable = polib.pofile(str(ROOT / CATALOGUE))
    found = [f"not translated: {entry.msgid!r}" for entry in readable.untranslated_entries()]
    found += [f"only guessed (fuzzy): {entry.msgid!r}" for entry in readable.fuzzy_entries()]

    source = texts_of_source()
    found += [f"in the source only: {text!r}" for _, text in sorted(source - texts(readable), key=str)]
    found += [f"in the catalogue only: {text!r}" for _, text in sorted(texts(readable) - source, key=str)]

    compiled_path = (ROOT / CATALOGUE).with_suffix(".mo")
    if not compiled_path.exists():
        return [*found, f"not compiled: {compiled_path.name} is missing"]
    said = {(entry.msgctxt, entry.msgid): meaning(entry) for entry in polib.mofile(str(compiled_path))}
    meant = {(entry.msgctxt, entry.msgid): meaning(entry) for entry in readable.translated_entries()}
    found += [
        f"compiled otherwise than written: {key[1]!r}"
        for key in sorted(said.keys() | meant.keys(), key=str)
        if said.get(key) != meant.get(key)
    ]
    return found


def meaning(entry: polib.POEntry | polib.MOEntry) -> tuple[str, dict[int, str]]:
    """Return the translation: the one text, and its forms by number."""
    forms = {int(number): text for number, text in (entry.msgstr_plural or {}).items()}
    return ("" if forms else entry.msgstr, forms)


def main(verb: str) -> int:
    if verb == "update":
        make_messages(ROOT)
        readable = polib.pofile(str(ROOT / CATALOGUE))
        readable.save_as_mofile(str((ROOT / CATALOGUE).with_suffix(".mo")))
        left = len(readable.untranslated_entries()) + len(readable.fuzzy_entries())
        print(f"{len(texts(readable))} texts, {left} still to translate in {CATALOGUE}")
        return 0
    if verb == "check":
        found = problems()
        print("\n".join(found) if found else "every text is translated and compiled")
        return 1 if found else 0
    print(__doc__)
    return 2


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:2] or [""]))
