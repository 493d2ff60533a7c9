"""Comparison of an answer to a fill-in question with an accepted answer, by meaning and not by spelling.

Dates, times of day, quantities (number, range, unit, limit) and telephone numbers are compared by value, and anything
else as text. Units and limit signs must match: 5万 is not 5千, 不超过5万 is not 超过5万, and 15天 is not 15个工作日.
"""

import re
import unicodedata
from dataclasses import dataclass
from fractions import Fraction

from exams.rules.numerals import NUMBER, number_of
from knowledge.search.tokenizer import to_simplified

GAP = "____"
_SAME_SIGNS = str.maketrans(
    {"−": "-", "–": "-", "—": "-", "‑": "-", "〜": "~", "∼": "~", "≦": "≤", "⩽": "≤", "≧": "≥", "⩾": "≥"}
)
# Characters without a meaning, except between two digits.
_SEPARATORS = re.compile(
    r"(?<!\d)[\s,，、。;；:：.!?\"'“”‘’《》()·_]+|[\s,，、。;；:：.!?\"'“”‘’《》()·_]+(?!\d)"
)
# The dimension and factor of each unit. Days and months are not converted to hours, because a bank counts them
# differently.
_UNITS: dict[str, tuple[str, Fraction]] = {
    name: (dimension, Fraction(factor))
    for dimension, factor, names in (
        ("day", 1, "天/日/自然日/个自然日/day/days"),
        ("day", 7, "周/星期/个星期/week/weeks"),
        ("workday", 1, "个工作日/工作日/working day/working days/business day/business days"),
        ("month", 1, "个月/month/months"),
        ("month", 12, "年/year/years"),
        ("month of year", 1, "月/月份"),
        ("time", 3600, "小时/个小时/钟头/个钟头/h/hour/hours"),
        ("time", 60, "分钟/min/minute/minutes"),
        ("time", 1, "秒/秒钟/second/seconds"),
        ("age", 1, "岁/周岁/years old"),
        ("cny", 1, "元/块/块钱/元钱/元整/圆/圆整/元人民币/人民币/rmb/cny/yuan/¥"),
        ("cny", "1/10", "角/毛"),
        ("usd", 1, "美元/美金/usd/$"),
        ("hkd", 1, "港元/港币/hkd"),
        ("eur", 1, "欧元/eur/€"),
        ("percent", 1, "%/percent"),
        ("percent", 10, "成"),
        ("percent", "1/10", "‰"),
        ("times", 1, "次/回/time/times"),
        ("fold", 1, "倍"),
        ("discount", 1, "折"),
        ("place", 1, "位"),
        ("person", 1, "人/名/people"),
        ("card", 1, "张"),
        ("copy", 1, "份"),
        ("item", 1, "个/项/条/件/步/种/笔/户/家/台/部"),
    )
    for name in names.split("/")
}
# Dimensions whose unit an examinee may omit, even if the accepted answer has one.
_PLAIN_DIMENSIONS = frozenset(
    {"day", "cny", "percent", "times", "place", "person", "card", "copy", "item", "age"}
)
# Dimensions that change the meaning of a number, such as percent.
_OTHER_NUMBERS = frozenset({"percent", "fold", "discount", "usd", "hkd", "eur"})
_UNIT = "|".join(re.escape(name) for name in sorted(_UNITS, key=len, reverse=True))
_LIMITS = {
    "≤": r"不超过|不多于|不高于|不大于|不晚于|至多|最多|<=|≤|at most|up to|no more than",
    "≥": r"不少于|不低于|不小于|不早于|至少|最少|>=|≥|at least|no less than",
    ">": r"超过|多于|高于|大于|>|more than|over|above",
    "<": r"少于|低于|小于|不足|不到|未满|<|less than|under|below",
    "~": r"约|大约|左右|about",
}
_AFTER = {"≤": "以内|之内|内|以下|及以下|为止", "≥": "以上|及以上|起", "~": "左右"}
_ANY_LIMIT = "|".join(f"(?:{pattern})" for pattern in _LIMITS.values())
_QUANTITY = re.compile(
    rf"(?P<limit>{_ANY_LIMIT})?\s*(?P<before>¥|\$|€|rmb|人民币|百分之|千分之)?\s*"
    rf"(?P<sign>[+\-]|负|正)?(?P<low>{NUMBER})\s*(?P<low_unit>{_UNIT})?"
    rf"(?:\s*(?:-|~|至|到|to)\s*(?P<high>{NUMBER})\s*(?P<high_unit>{_UNIT})?)?\s*"
    rf"(?P<after>{'|'.join(_AFTER.values())})?"
)
_DATE = re.compile(
    rf"(?:(?P<year>{NUMBER}|\d{{4}})(?:年|[-/.]))?(?P<month>{NUMBER}|0\d)(?:月|[-/.])(?P<day>{NUMBER}|0\d)(?P<mark>日|号)?"
)
_PART = r"凌晨|早上|早晨|上午|中午|下午|傍晚|晚上|晚间|晚|am|pm"
_TIME = re.compile(
    rf"(?P<part>{_PART})?\s*(?P<hour>{NUMBER}|0\d)(?:(?::)(?P<minute>[0-5]\d)|(?:点钟?|时)(?:(?P<half>半|整|一刻|三刻)|"
    rf"(?P<minutes>{NUMBER}|0\d)分?)?|(?=\s*[ap]m))\s*(?P<half_day>am|pm)?"
)
_TELEPHONE = re.compile(r"\+?[\d\-() ]{7,}")
_TELEPHONE_BEGINS = re.compile(r"\+|\(|0|400|800|1[3-9]\d{9}$|1[3-9]\d[- ]\d{4}[- ]\d{4}$")


@dataclass(frozen=True)
class Quantity:
    """A number or a range of numbers, with its unit and limit sign.

    `low` and `high` are in the base unit of the dimension; they are equal for a single number. Without a unit,
    `dimension` is "".
    """

    limit: str
    low: Fraction
    high: Fraction
    dimension: str
    factor: Fraction = Fraction(1)

    def read_as(self, dimension: str, factor: Fraction) -> "Quantity":
        return Quantity(self.limit, self.low * factor, self.high * factor, dimension, factor)

    def is_like(self, other: "Quantity") -> bool:
        return (self.limit, self.low, self.high, self.dimension) == (
            other.limit,
            other.low,
            other.high,
            other.dimension,
        )


def is_same_filling(right: str, given: str, stem: str = "") -> bool:
    """Return whether the answer `given` means the same as the accepted answer `right`.

    `stem` is the text of the question with its gap. It is needed because a unit may follow the gap.
    """
    wanted = normalized(right)
    before, _gap, after = normalized(stem).partition(GAP)
    written = normalized(given)
    # Also compare the answer after the question's words are removed from it, in case the examinee repeated the words
    # around the gap.
    candidates = {written, _without_ends(written, before, after)}
    return any(_is_equivalent(wanted, candidate, after) for candidate in candidates if candidate)


def normalized(text: str) -> str:
    """Return the text in lower case, half-width and simplified Chinese, with one sign for signs of equal meaning."""
    folded = to_simplified(unicodedata.normalize("NFKC", text).casefold()).translate(_SAME_SIGNS).strip()
    joined = re.sub(r"(?<=[\d一-鿿])\s+(?=[一-鿿])|(?<=[一-鿿])\s+(?=\d)", "", folded)
    return re.sub(r"(?<=\d)。(?=\d)", ".", joined)


def without_separators(text: str) -> str:
    """Return the normalized text without spaces, punctuation and separators that have no meaning."""
    return _SEPARATORS.sub("", re.sub(r"(?<=\d),(?=\d{3}(?!\d))", "", normalized(text)))


def _without_ends(written: str, before: str, after: str) -> str:
    """Remove from the answer the words around the gap that the examinee has copied from the question."""
    for length in range(min(len(written) - 1, len(after)), 0, -1):
        if written.endswith(after[:length]):
            written = written[:-length]
            break
    for length in range(min(len(written) - 1, len(before)), 0, -1):
        if written.startswith(before[-length:]):
            written = written[length:]
            break
    return written.strip()


def _is_equivalent(wanted: str, written: str, after: str) -> bool:
    if wanted == written or without_separators(wanted) == without_separators(written):
        return True
    for reading in (_date, _times):
        moment = reading(wanted)
        if moment is not None:
            return moment == reading(written)
    if (number := _telephone(wanted)) is not None:
        return number == _telephone(written, is_expected=True)
    wanted_quantity, written_quantity = _quantity(wanted), _quantity(written)
    if wanted_quantity is None or written_quantity is None:
        return False
    return _is_same_quantity(wanted_quantity, written_quantity, after)


def _is_same_quantity(wanted: Quantity, written: Quantity, after: str) -> bool:
    unit = re.match(_UNIT, after)
    if unit is not None:
        adjacent = _UNITS[unit[0]]
        wanted = wanted if wanted.dimension else wanted.read_as(*adjacent)
        written = written if written.dimension else written.read_as(*adjacent)
        return wanted.is_like(written)
    if wanted.dimension and not written.dimension:
        is_plain = wanted.dimension in _PLAIN_DIMENSIONS and wanted.factor == 1
        return is_plain and wanted.is_like(written.read_as(wanted.dimension, wanted.factor))
    if written.dimension and not wanted.dimension:
        # The accepted answer has no unit, so the examinee may add any unit that does not change the number.
        is_other_number = written.dimension in _OTHER_NUMBERS or written.factor != 1
        return not is_other_number and wanted.read_as(written.dimension, Fraction(1)).is_like(written)
    return wanted.is_like(written)


def _quantity(text: str) -> Quantity | None:
    match = _QUANTITY.fullmatch(text.rstrip(".。,;；"))
    if match is None:
        return None
    low = number_of(match["low"])
    high = number_of(match["high"]) if match["high"] else low
    if low is None or high is None or (match["sign"] == "+" and match["high"]):
        return None
    before = {"百分之": "%", "千分之": "‰", "rmb": "元", "人民币": "元"}.get(
        match["before"] or "", match["before"]
    )
    name = match["high_unit"] or match["low_unit"] or before or ""
    if match["low_unit"] and match["high_unit"] and match["low_unit"] != match["high_unit"]:
        return None
    # In 5-7万, the scale 万 applies to both ends of the range.
    scale = re.search(r"[万亿]$", match["high"] or "")
    if scale and low < high and not re.search(r"[万亿]", match["low"]) and not match["low_unit"]:
        low *= number_of(f"1{scale[0]}") or 1
    if match["sign"] in ("-", "负"):
        low, high = -low, high if match["high"] else -high
    dimension, factor = _UNITS.get(name, ("", Fraction(1)))
    limit = _limit(match["limit"], match["after"])
    return Quantity(limit, low * factor, high * factor, dimension, factor)


def _limit(before: str | None, after: str | None) -> str:
    limits = [sign for sign, words in _LIMITS.items() if before and re.fullmatch(words, before)]
    limits += [sign for sign, words in _AFTER.items() if after and re.fullmatch(words, after)]
    return "".join(dict.fromkeys(limits))


def _date(text: str) -> tuple[int, int, int] | None:
    match = _DATE.fullmatch(text)
    # 5.7 is a number and 5-7 a range, although both look like a month and a day.
    if match is None or not (match["year"] or "月" in text):
        return None
    parts = [_count(match[name] or "0") for name in ("year", "month", "day")]
    year, month, day = parts
    is_date = None not in parts and 1 <= (month or 0) <= 12 and 1 <= (day or 0) <= 31
    return (year or 0, month or 0, day or 0) if is_date and (not year or year > 1000) else None


def _count(text: str) -> int | None:
    value = number_of(text.lstrip("0") or "0")
    return int(value) if value is not None and value.denominator == 1 else None


def _times(text: str) -> tuple[int, ...] | None:
    """Parse a time of day, or a range of times, into one or two numbers of minutes since midnight.

    The result is None for any other text.
    """
    parts = re.split(r"\s*(?:-|~|至|到|\bto\b)\s*", text)
    times = [_time(part) for part in parts]
    return (
        tuple(time for time in times if time is not None) if None not in times and len(times) <= 2 else None
    )


def _time(text: str) -> int | None:
    match = _TIME.fullmatch(text)
    if match is None:
        return None
    hour = _count(match["hour"])
    minutes = {"半": 30, "一刻": 15, "三刻": 45, "整": 0}.get(match["half"] or "", 0)
    if match["minute"] or match["minutes"]:
        minutes = _count(match["minute"] or match["minutes"]) or 0
    if hour is None or hour > 24 or minutes > 59:
        return None
    part = match["part"] or match["half_day"] or ""
    if part in ("下午", "傍晚", "晚上", "晚间", "晚", "pm") and hour < 12:
        hour += 12
    if part in ("凌晨", "am") and hour == 12:
        hour = 0
    return hour * 60 + minutes


def _telephone(text: str, *, is_expected: bool = False) -> str | None:
    """Return a telephone number without separators, or None for other text.

    With `is_expected`, the text need not begin like a telephone number.
    """
    if not _TELEPHONE.fullmatch(text) or not (is_expected or _TELEPHONE_BEGINS.match(text)):
        return None
    return re.sub(r"[\-() ]", "", text)
