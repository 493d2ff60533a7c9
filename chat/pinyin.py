"""Pinyin of Chinese text. Its dictionary is read when it is first asked for: a third of a process's start otherwise."""

from collections.abc import Callable


def pinyin_of(text: str, *, is_initials: bool = False, others: Callable[[str], str] | None = None) -> str:
    """The syllables of all characters, without tones, or the first letter of each.

    `others` is called with each run that is not Chinese, for what it becomes; without it, it stays as it is.
    """
    from pypinyin import Style, lazy_pinyin

    style = Style.FIRST_LETTER if is_initials else Style.NORMAL
    return "".join(lazy_pinyin(text, style=style, errors=others or "default"))
