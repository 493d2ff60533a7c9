"""Masking of personal data in customers' text for editors, who are not allowed to read conversations.

The patterns hide too much rather than too little. docs/knowledge.md lists the kinds of data that they miss.
"""

import re

HIDDEN = "#"

# Invisible characters. People put them between digits to bypass filters.
_INVISIBLE = re.compile("[\u00ad\u200b-\u200f\u2060\ufeff]")
# Maps full-width digits, letters and @ to ASCII.
_TO_HALF_WIDTH = {
    code: code - 0xFEE0 for code in (*range(0xFF10, 0xFF1A), *range(0xFF20, 0xFF3B), *range(0xFF41, 0xFF5B))
}
_GAP = r"[\s.\-_/·,，、]{0,2}"
_NUMERAL = "[零〇一二三四五六七八九两幺]"
_HAN = "[\u4e00-\u9fff]"
# Surnames that are also the first character of many banking words. They count as surnames only before a title.
_AMBIGUOUS_SURNAMES = "高金钱万安成方余费"
_SURNAME = (
    "王李张刘陈杨赵黄周吴徐孙胡朱林何郭马罗梁宋郑谢韩唐冯于董萧程曹袁邓许傅沈曾彭吕苏卢蒋蔡贾丁魏薛叶阎潘杜戴夏钟汪田任姜范"
    "石姚谭廖邹熊陆郝孔崔康毛邱秦江史顾侯邵孟龙段雷汤尹黎易武乔贺赖龚庞樊兰殷施陶洪翟颜倪严牛温芦季俞章鲁葛伍韦申尤毕聂焦"
    "柳邢岳齐梅莫庄辛管祝左涂谷祁耿牟詹苗凌纪靳盛童欧甄项曲闫甘裴柏覃霍翁阮卓桂柴蒙符滕"
)
_NAME = f"(?!马上)(?:(?:欧阳|上官|司马|诸葛|司徒|东方|皇甫|慕容|令狐|夏侯)|[{_SURNAME}]){_HAN}{{1,2}}"
_LATIN_NAME = r"[A-Z][a-z'’][\w'’-]*(?:[ ·][A-Z][\w'’-]*){0,3}"

# Each entry has three parts: a pattern for the text before the data, which is kept; a pattern for the data, which is
# masked; and flags.
_KINDS = [
    # E-mail addresses, links, and account names on other services.
    ("", r"(?<![\w.+-])[\w.+-]+\s?@\s?[\w-]+(?:\.[\w-]+)*", re.ASCII),
    ("", r"(?:https?://|www\.)[!-~]+", re.IGNORECASE),
    (
        r"(?:微信|支付宝|wechat|alipay|qq)(?:账号|帐号|号码|号|id)?(?:是|为|is)?[\s:：]*",
        r"(?=[\w-]*\d)[\w-]{4,}",
        re.IGNORECASE | re.ASCII,
    ),
    # Passwords and codes of any length.
    (
        r"(?:密码|口令|验证码|安全码|背面三位数|后三位|pin|cv[vc]2?|password|passcode|code)\W{0,3}(?:是|为|is)?\W{0,3}",
        r"(?=\w*\d)[\w!@$%^&*]{3,}",
        re.IGNORECASE | re.ASCII,
    ),
    # Card, telephone and identity numbers of four or more digits, with the letters of a passport or number plate.
    # Public service numbers such as 95588 and 96110 are kept.
    (
        "",
        rf"(?<!\d)(?!(?:95|96|12)\d{{3}}(?!{_GAP}\d))[A-Za-z]{{0,3}}\d(?:{_GAP}\d){{3,}}(?:{_GAP}[Xx](?![A-Za-z]))?",
        0,
    ),
    ("", rf"{_NUMERAL}(?:{_GAP}{_NUMERAL}){{6,}}", 0),
    # Street addresses: 人民路12号3栋2单元501室, 12 Baker Street, flat 5b.
    (r"[路街巷道弄村里镇]", r"\d+(?:[-－]\d+)*(?=号)", 0),
    ("", r"\d+(?=号楼|号院|栋|幢|单元|室)", 0),
    (
        "",
        r"\b\d+\w?(?= (?:[a-z]+ ){1,3}(?:street|st|road|rd|avenue|ave|lane|drive|close|court|square)\b)",
        re.IGNORECASE,
    ),
    (r"\b(?:flat|unit|room|apartment) ", r"\d+\w?", re.IGNORECASE),
    # Names of people, but only where the text before or after them shows that they are names.
    (
        r"(?:[我他她爸妈爷奶哥弟姐妹]|老公|老婆|儿子|女儿|先生|太太|朋友|同事|孩子|本人|名字)(?:就?叫做?|名叫|姓)(?![名做你您我他她它谁什啥不了个人车客经外过来一])",
        f"{_HAN}{{1,3}}",
        0,
    ),
    (
        r"(?:姓名|户名|名字|(?:持卡|收款|付款|开户|申请|借款|联系)人)(?:是|为|叫)?[\s:：]*",
        f"(?:{_NAME}|{_LATIN_NAME})",
        0,
    ),
    (r"(?:我|本人|这里|他|她)就?[是叫]\s?", f"(?:{_NAME}(?!{_HAN})|{_LATIN_NAME})", 0),
    (r"[转汇打付还借][钱款]?给了?\s?", f"(?:{_NAME}|{_LATIN_NAME})", 0),
    ("", f"[{_SURNAME}{_AMBIGUOUS_SURNAMES}](?=先生|女士|小姐|太太|师傅|阿姨|大爷|经理|老师)", 0),
    ("", f"{_NAME}(?=先生|女士|小姐)", 0),
    (
        r"\b(?i:i am|i['’]?m|this is|name is|named|called|name['’]s|name:|holder|m(?:r|rs|s|iss)\b\.?|dr\.?)\s",
        rf"(?!I\b){_LATIN_NAME}",
        0,
    ),
    (
        r"\bmy (?:full |last |first )?name(?: is|['’]s) ",
        r"(?!spel|miss|wrong|not\b|on\b|in\b|different|too\b)[\w'’-]+(?: [\w'’-]+)?",
        re.IGNORECASE,
    ),
]
_PATTERNS = [re.compile(f"({before}){data}", flags) for before, data, flags in _KINDS]


def mask(text: str) -> str:
    """Return the text with # in place of all personal data that matches a pattern, such as numbers, addresses and
    names.

    Invisible characters are removed and full-width letters and digits become ASCII.
    """
    text = _INVISIBLE.sub("", text).translate(_TO_HALF_WIDTH)
    for pattern in _PATTERNS:
        text = pattern.sub(rf"\1{HIDDEN}", text)
    return text
