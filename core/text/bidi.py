"""Bidirectional control characters (UAX 9): text of other people must not reorder the text around it.

On pages, text of other people is unchanged and isolated in its own element (`bdi`, `dir`). Where no element can isolate
it, in a file or inside a sentence, these functions remove or close the control characters.
"""

import re

_OPENING = "\u202a\u202b\u202d\u202e"
_ISOLATES = "\u2066\u2067\u2068"
_POP, _POP_ISOLATE = "\u202c", "\u2069"
_MARKS = re.compile(f"[{_OPENING}{_ISOLATES}{_POP}{_POP_ISOLATE}]")
# Paragraph separators of UAX 9; each ends all open embeddings, overrides and isolates.
_PARAGRAPHS = re.compile("([\n\r\x1c-\x1e\x85\u2029])")


def remove_marks(text: str) -> str:
    """Return a name or another single line without the characters that embed, override or isolate a direction."""
    return _MARKS.sub("", text)


def close_marks(text: str) -> str:
    """Return the text with every embedding, override and isolate closed at the end of its paragraph."""
    if not _MARKS.search(text):
        return text
    return "".join(part + _closing(part) for part in _PARAGRAPHS.split(text))


def _closing(paragraph: str) -> str:
    still_open: list[str] = []
    for mark in _MARKS.findall(paragraph):
        if mark in _OPENING:
            still_open.append(_POP)
        elif mark in _ISOLATES:
            still_open.append(_POP_ISOLATE)
        elif mark == _POP and still_open[-1:] == [_POP]:
            still_open.pop()
        elif mark == _POP_ISOLATE and _POP_ISOLATE in still_open:
            while still_open.pop() != _POP_ISOLATE:
                pass
    return "".join(reversed(still_open))
