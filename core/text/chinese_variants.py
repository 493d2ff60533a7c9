"""Variant forms of Chinese characters: simplified, traditional, Hong Kong and Taiwan.

"Folding" replaces every character with one common form of its variants. It works on single characters, never on words:
a text and a search term are folded in the same way, and every character keeps its position.
"""

import unicodedata
from collections.abc import Sequence
from functools import cache, reduce
from operator import or_

from django.db.models import Q
from opencc import OpenCC

_HAN = (range(0x3400, 0x4DC0), range(0x4E00, 0xA000), range(0xF900, 0xFB00), range(0x20000, 0x323B0))
# Pairs of characters that mean the same in banking terms, although OpenCC keeps them apart: 帐户 and 账户, 回覆 and
# 回复, Hong Kong's 信用咭 and 信用卡, 瞭解 and 了解.
_ALIKE = str.maketrans("帐覆咭瞭祇衹戸讬", "账复卡了只只户托")


def fold_variants(text: str) -> str:
    """Return the text with each Chinese character replaced by the common form of its variants. The length stays the
    same."""
    return text if text.isascii() else text.translate(_table())


def written_forms(text: str) -> list[str]:
    """Return the text as typed and as written in mainland China, Taiwan and Hong Kong, without duplicates.

    For searches in columns whose text is stored as it was typed.
    """
    plain = unicodedata.normalize("NFKC", text)
    simplified = fold_variants(plain)
    # OpenCC converts 账 to 賬 and 帐 to 帳; people write both.
    mainland = (simplified, simplified.replace("账", "帐"), _converter("t2s").convert(plain))
    others = [_converter(name).convert(form) for name in ("s2t", "s2tw", "s2hk") for form in mainland]
    return list(dict.fromkeys((text, plain, *mainland, *others)))


def matches_any_form(columns: Sequence[str], text: str) -> Q:
    """Return a query condition: any of the columns contains the text in any of its `written_forms`."""
    return reduce(
        or_, (Q((f"{column}__icontains", form)) for column in columns for form in written_forms(text))
    )


@cache
def _converter(name: str) -> OpenCC:
    return OpenCC(name)


@cache
def _table() -> dict[int, str]:
    """Return a translation table from characters to their folded forms.

    Building the table takes a third of a second, so it is cached.
    """
    characters = [chr(code) for block in _HAN for code in block]
    forms = characters
    # Convert twice, because the result of the first conversion may be a variant too: 麼 becomes 么, and 么 becomes 幺.
    for form in ("hk2t", "tw2t", "t2s") * 2:
        forms = _converter(form).convert("\n".join(forms)).split("\n")
    forms = [form.translate(_ALIKE) for form in forms]
    return {ord(old): new for old, new in zip(characters, forms, strict=True) if old != new}
