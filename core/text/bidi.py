"""Removal of bidirectional control characters (UAX 9), which could reorder the text around a user's text.

HTML pages leave a user's text unchanged and isolate it in an element (`bdi`, or any element with `dir`). In a file or
inside a sentence, where no element can isolate the text, these functions remove the control characters or close their
scope.
"""

import re

_OPENING = "\u202a\u202b\u202d\u202e"
_ISOLATES = "\u2066\u2067\u2068"
_POP, _POP_ISOLATE = "\u202c", "\u2069"
_MARKS = re.compile(f"[{_OPENING}{_ISOLATES}{_POP}{_POP_ISOLATE}]")
# Paragraph separators according to UAX 9. Each of them ends all open embeddings, overrides and isolates.
_PARAGRAPHS = re.compile("([\n\r\x1c-\x1e\x85\u2029])")


def remove_marks(text: str) -> str:
    """Return `text`, a single line such as a name, without the characters that embed, override or isolate a
    direction."""
    return _MARKS.sub("", text)


def close_marks(text: str) -> str:
    """Return the text with closing characters at the end of each paragraph, for every embedding, override and isolate
    left open."""
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
