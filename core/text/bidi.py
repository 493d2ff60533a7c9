"""Marks that turn the order of letters (UAX 9): what other people wrote must not turn the words beside it.

On pages, other people's words stand in elements of their own (`bdi`, `dir`), to the letter. Where there are none, in a
file or within one sentence, the functions here keep them apart.
"""

import re

_OPENING = "\u202a\u202b\u202d\u202e"
_ISOLATES = "\u2066\u2067\u2068"
_POP, _POP_ISOLATE = "\u202c", "\u2069"
_MARKS = re.compile(f"[{_OPENING}{_ISOLATES}{_POP}{_POP_ISOLATE}]")
# What ends a paragraph of UAX 9, and with it everything that is open.
_PARAGRAPHS = re.compile("([\n\r\x1c-\x1e\x85\u2029])")


def remove_marks(text: str) -> str:
    """Return a name or another piece of one line without the marks that embed, override or isolate a direction."""
    return _MARKS.sub("", text)


def close_marks(text: str) -> str:
    """Return the text with a closing mark, at the end of each paragraph, for every mark that is open there."""
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
