"""Numbers as a spreadsheet shows them in the format of their cell."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from django.utils.translation import gettext as _

from knowledge.import_export.cells import UnclearCell

# Excel shows an integer of more digits as 1.2E+11, and keeps 15 digits of any number.
GENERAL_DIGITS = 11
KEPT_DIGITS = 15
_PADDED = re.compile(r"(#,##)?(0+)(?:\.(0+))?(%?)")


def shown_number(written: str, number_format: str) -> str | UnclearCell:
    """Return a number as a spreadsheet shows it: 1 in the format 0000 is "0001". `Unclear` where it is not certain."""
    try:
        value = Decimal(written)
    except InvalidOperation:
        return UnclearCell(_("“%(text)s” is no number.") % {"text": written[:30]})
    if number_format in ("General", "@", ""):
        return _general(value)
    found = _PADDED.fullmatch(number_format)
    if found is None:
        return format_is_unclear(number_format)
    grouped, padding, decimals, percent = found.groups()
    if percent:
        value *= 100
    places = len(decimals or "")
    rounded = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)
    if len(str(abs(int(rounded)))) > KEPT_DIGITS:
        return _too_long()
    whole, _point, rest = f"{abs(rounded):{',' if grouped else ''}f}".partition(".")
    sign = "-" if rounded < 0 else ""
    return sign + whole.rjust(len(padding), "0") + (f".{rest}" if rest else "") + percent


def _general(value: Decimal) -> str | UnclearCell:
    if value == value.to_integral_value():
        digits = f"{value:f}".partition(".")[0]
        return digits if len(digits.lstrip("-")) <= GENERAL_DIGITS else _too_long()
    text = f"{float(value):.{GENERAL_DIGITS - 1}g}"
    return _too_long() if "e" in text else text


def _too_long() -> UnclearCell:
    words = _("A spreadsheet does not keep a number this long. Format the column as text and type it again.")
    return UnclearCell(words)


def format_is_unclear(number_format: str) -> UnclearCell:
    """Return the refusal of a number whose format shows it in a way that we cannot follow."""
    words = _("The format of this cell (%(format)s) shows the number in another way. Format it as text.")
    return UnclearCell(words % {"format": number_format[:30]})
