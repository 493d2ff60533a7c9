"""Check the English of files: `python -m scripts.prose [FILE]...`

Without arguments, all tracked files are checked. Migrations and the files in `LEFT_OUT` are always skipped. The check
reads docstrings and comments of Python, comments of JavaScript, CSS and templates, Markdown, and the English texts of
the translation catalogue. It reports each match of `PATTERNS` with its reason, and each template line that is too long.
docs/glossary.md lists the words to use.
"""

from __future__ import annotations

import ast
import io
import re
import subprocess
import sys
import tokenize
from collections.abc import Iterator
from pathlib import Path

import polib

ROOT = Path(__file__).resolve().parent.parent
CATALOGUE = "locale/zh_Hans/LC_MESSAGES/django.po"
MAX_TEMPLATE_LINE = 140
# Paths that are not checked: vendored or generated texts, the changelog, and files that list the forbidden words.
LEFT_OUT = (
    "static/vendor/",
    "node_modules/",
    "CHANGELOG.md",
    "scripts/prose.py",
    "docs/glossary.md",
    "LICENSE",
)

START = r"(?:^|(?<=[.!?:] )|(?<=[.!?]\n))"
AFTER_THE_SAME = "one|for|as|with|where|without|in|of|by|but|again|at|on|from|when"
PATTERNS = {
    rf"{START}(?:Of|Whom)\b(?! course)": "a sentence begins with Of or Whom",
    rf"{START}So\b(?! far)(?!,)": "a sentence begins with So",
    rf"{START}(?:Who|What(?! you\b)|Whose)\b(?![^.!?]*\?)": "a sentence begins with Who or What and is no question",
    rf"{START}The same(?:[,.:]| (?:{AFTER_THE_SAME})\b)": "The same: name the thing",
    r"(?i)\bso (?:many|long|often)\b(?! as\b)": "so many, so long: say at most N, N seconds",
    r"(?i)\bcircles? of objects\b|\bleaves? (?:a|no) circles?\b": "circle: reference cycle",
    r"(?i)\bdoorbells?\b": "doorbell: notification",
    r"(?i)\bgoodbyes?\b": "goodbye: bye frame or close frame",
    r"(?i)\bthe line\b(?! (?:of|is empty|break))": "the line: connection, queue, row or message",
    r"(?i)\bbars? (?:to|from) taking\b|\bbarred\b": "bar: queue restriction",
    r"(?i)\b(?:at|through|by|before) the door\b|\bone door\b": "door: entry point, endpoint or check",
    r"(?i)\banew\b": "anew: again",
}
COMPILED = [(re.compile(pattern, re.M), reason) for pattern, reason in PATTERNS.items()]


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of each docstring and comment of Python code.

    Consecutive comment lines are joined.
    """
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text is not None:
                yield node.body[0].lineno, text
    first, last, words = 0, -2, list[str]()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        row = token.start[0]
        if row != last + 1:
            if words:
                yield first, " ".join(words)
            first, words = row, []
        last = row
        words.append(token.string.lstrip("# "))
    if words:
        yield first, " ".join(words)


def script_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, text) of each comment in JavaScript or CSS, except `//` comments after code on
    the same line. Consecutive `//` lines are joined."""
    for match in re.finditer(r"/\*.*?\*/|(?:^[ \t]*//[^\n]*\n)+", source, re.S | re.M):
        text = re.sub(r"\n\s*(?:\*|//) ?", " ", match[0]).strip("/* \n\t")
        yield source.count("\n", 0, match.start()) + 1, text


def template_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, text) of each comment in a Django template."""
    for match in re.finditer(r"\{#(.*?)#\}|\{% comment %\}(.*?)\{% endcomment %\}", source, re.S):
        yield source.count("\n", 0, match.start()) + 1, (match[1] or match[2]).strip()


def document_texts(source: str) -> Iterator[tuple[int, str]]:
    """Yield (number of the first line, text) of each paragraph and list item in Markdown. Headings and code blocks are
    skipped."""
    without_code = re.sub(
        r"^(```|~~~).*?^\1|^#[^\n]*", lambda code: "\n" * code[0].count("\n"), source, flags=re.S | re.M
    )
    row = 1
    for block in re.split(r"(\n\s*\n|\n(?=\s*(?:[-*|]|\d+\.) ?))", without_code):
        text = " ".join(line.strip() for line in block.split("\n")).lstrip("-*#|0123456789. ")
        if text:
            yield row, text
        row += block.count("\n")


def catalogue_texts(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of each English text in a translation catalogue."""
    for entry in polib.pofile(str(path)):
        if not entry.obsolete:
            yield entry.linenum or 0, entry.msgid


def texts_of(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line number, text) of each English text in a file, according to the type of the file."""
    if path.suffix == ".po":
        yield from catalogue_texts(path)
        return
    readers = {
        ".py": python_texts,
        ".js": script_texts,
        ".ts": script_texts,
        ".css": script_texts,
        ".html": template_texts,
        ".md": document_texts,
    }
    if (reader := readers.get(path.suffix)) is not None:
        yield from reader(path.read_text(encoding="utf-8"))


def problems_of(path: Path) -> Iterator[str]:
    """Yield a line of text about each match of a pattern in a file, and about each template line that is too long."""
    name = path.relative_to(ROOT)
    for row, text in texts_of(path):
        for pattern, reason in COMPILED:
            for match in pattern.finditer(text):
                begin = max(0, match.start() - 20)
                yield f"{name}:{row}: {reason}: …{text[begin : match.end() + 40]}…".replace("\n", " ")
    if path.suffix == ".html":
        for row, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            if len(line) > MAX_TEMPLATE_LINE:
                yield f"{name}:{row}: a template line of {len(line)} characters; at most {MAX_TEMPLATE_LINE}"


def main(arguments: list[str]) -> int:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    names = arguments or [name for name in listed.splitlines() if (ROOT / name).exists()]
    paths = [ROOT / name for name in names if not name.startswith(LEFT_OUT) and "/migrations/" not in name]
    problems = [problem for path in paths for problem in problems_of(path.resolve())]
    print("\n".join(problems) if problems else "no problem found")
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
