"""Parsing of numbers as people write them: digits, thousands separators and all forms of Chinese numerals."""

import re
from fractions import Fraction

_DIGITS = dict(zip("零一二三四五六七八九", range(10), strict=True)) | {"〇": 0, "两": 2}
_FORMAL = str.maketrans("壹贰叁肆伍陆柒捌玖拾佰仟", "一二三四五六七八九十百千")
_SCALES = {"十": 10, "百": 100, "千": 1000}
_MYRIADS = {"万": 10**4, "亿": 10**8}
_WRITTEN_TENS = {"廿": "二十", "卅": "三十"}
CHINESE = "零〇一二两三四五六七八九十百千万亿廿卅壹贰叁肆伍陆柒捌玖拾佰仟半点"
# Leading zeros are not allowed, because something like 007 is a code. Commas must separate groups of three digits.
_PLAIN = re.compile(r"(?:0|[1-9]\d*|[1-9]\d{0,2}(?:,\d{3})+)(?:\.\d+)?")
_SCALED = re.compile(rf"(?P<number>{_PLAIN.pattern})(?P<scale>[十百千万亿]{{0,2}})")
NUMBER = rf"(?:{_PLAIN.pattern}[十百千万亿]{{0,2}}|[{CHINESE}]+)"


def number_of(text: str) -> Fraction | None:
    """Parse an unsigned number in digits or Chinese numerals. Returns None for other text."""
    scaled = _SCALED.fullmatch(text)
    if scaled is None:
        return _chinese(text)
    value = Fraction(scaled["number"].replace(",", ""))
    for scale in scaled["scale"]:
        value *= (_SCALES | _MYRIADS)[scale]
    return value


def _chinese(text: str) -> Fraction | None:
    text = text.translate(_FORMAL)
    for written, plain in _WRITTEN_TENS.items():
        text = text.replace(written, plain)
    if text == "半":
        return Fraction(1, 2)
    whole, point, decimals = text.partition("点")
    if point:
        value = _whole(whole)
        if value is None or not decimals or not all(character in _DIGITS for character in decimals):
            return None
        figures = "".join(str(_DIGITS[character]) for character in decimals)
        return value + Fraction(int(figures), 10 ** len(figures))
    value = _whole(text)
    return None if value is None else Fraction(value)


def _whole(text: str) -> int | None:
    if not text:
        return None
    if all(character in _DIGITS for character in text):
        # The text is a sequence of single digits, such as a year or an account number.
        return (
            int("".join(str(_DIGITS[character]) for character in text))
            if len(text) == 1 or text[0] not in "零〇"
            else None
        )
    total, section, digit, last = 0, 0, None, 1
    for character in text:
        if character in _DIGITS:
            if digit:
                return None
            digit, last = _DIGITS[character], 1 if _DIGITS[character] == 0 else last
        elif character in _SCALES:
            section += (1 if digit is None or (digit == 0 and character == "十") else digit) * _SCALES[
                character
            ]
            digit, last = None, _SCALES[character]
        elif character in _MYRIADS:
            scale = _MYRIADS[character]
            section += digit or 0
            total = (total + section) * scale if scale > total > 0 else total + section * scale
            section, digit, last = 0, None, scale
        else:
            return None
    # 一百二 is 120 and 两千三 is 2300: a final digit has the next lower place value, unless a zero precedes it.
    return total + section + (digit or 0) * (last // 10 if last > 10 else 1)
