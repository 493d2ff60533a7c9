"""Formats numbers as a spreadsheet displays them in the number format of their cell."""

import re
from decimal import ROUND_HALF_UP, Decimal, InvalidOperation

from django.utils.translation import gettext as _

from knowledge.import_export.cells import UnclearCell

# Excel displays an integer with more digits as 1.2E+11, and stores at most 15 digits of any number.
GENERAL_DIGITS = 11
KEPT_DIGITS = 15
_PADDED = re.compile(r"(#,##)?(0+)(?:\.(0+))?(%?)")


def shown_number(written: str, number_format: str) -> str | UnclearCell:
    """Return a number as a spreadsheet displays it: 1 in the format 0000 is "0001".

    Returns an UnclearCell where the display is uncertain.
    """
    try:
        value = Decimal(written)
    except InvalidOperation:
        return UnclearCell(_("“%(text)s” is not a number.") % {"text": written[:30]})
    if number_format in ("General", "@", ""):
        return _general(value)
    match = _PADDED.fullmatch(number_format)
    if match is None:
        return format_is_unclear(number_format)
    grouped, padding, decimals, percent = match.groups()
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
    return UnclearCell(
        _("A spreadsheet can't store a number this long. Format the column as text and enter it again.")
    )


def format_is_unclear(number_format: str) -> UnclearCell:
    """Return an UnclearCell with the message that we cannot reproduce this number format."""
    message = _("The number format of this cell (%(format)s) isn't supported. Format the cell as text.")
    return UnclearCell(message % {"format": number_format[:30]})
