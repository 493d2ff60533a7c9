"""Creates the invented bank of the demo: departments, staff, site, texts, canned replies and wrap-up codes.

Only missing objects are created. Existing ones are not changed, so that changes by users of the demo are kept; only the
list of origins that may embed the widget grows.
"""

import json
from dataclasses import dataclass
from typing import Any

from django.contrib.auth.hashers import make_password

from accounts.models import Department, Role, Skill, Staff, StaffSkill
from chat.canned_replies import initials_of
from chat.models import (
    BusinessText,
    CannedReply,
    EmergencyRule,
    FormField,
    QuickTopic,
    Site,
    TextCode,
    WrapUpCode,
)
from demo.dialogues import FOLDER
from routing.models import DepartmentPolicy, Mode

SITE_KEY = "demo"
PASSWORD = "lianxin-demo"  # noqa: S105  (a published password; load_demo refuses other databases)
HOTLINE = "400-000-1024"

DEPARTMENTS = [
    ("general", "综合服务", "General"),
    ("cards", "银行卡与信用卡", "Cards"),
    ("loans", "贷款", "Loans"),
    ("digital", "手机与网上银行", "Digital banking"),
]

# Words that raise an emergency, and longer words in which they do not count.
EMERGENCY_WORDS = [
    ("急", "不急 着急 急着 应急 急忙 心急 性急 急性 焦急"),
    ("医院", "医院缴费 合作医院"),
    ("手术", "手术费分期"),
    ("抢救", ""),
    ("被盗", ""),
    ("被骗", ""),
    ("被抢", ""),
    ("刚转账给骗子", ""),
    ("emergency", "emergency contact"),
    ("hospital", ""),
    ("stolen", ""),
    ("scammed", ""),
]


@dataclass(frozen=True)
class DemoPerson:
    username: str
    name: str
    name_en: str
    number: str
    role: Role
    departments: tuple[str, ...] = ()


PEOPLE = [
    DemoPerson("lin", "林晓", "Lin Xiao", "1024", Role.AGENT, ("general", "cards", "digital")),
    DemoPerson("zhao", "赵一鸣", "Zhao Yiming", "1031", Role.AGENT, ("general", "loans")),
    DemoPerson("he", "何雨", "He Yu", "1036", Role.AGENT, ("general", "digital")),
    DemoPerson("sun", "孙倩", "Sun Qian", "1042", Role.AGENT, ("general",)),
    DemoPerson("qian", "钱程", "Qian Cheng", "1047", Role.AGENT, ("general", "cards")),
    DemoPerson("tang", "唐可", "Tang Ke", "1053", Role.AGENT, ("general", "cards", "digital")),
    DemoPerson(
        "zhou", "周静", "Zhou Jing", "2003", Role.SUPERVISOR, ("general", "cards", "loans", "digital")
    ),
    DemoPerson("bian", "边宁", "Bian Ning", "4001", Role.EDITOR),
    DemoPerson("song", "宋清", "Song Qing", "3001", Role.AUDITOR),
    DemoPerson("admin", "王磊", "Wang Lei", "9001", Role.ADMINISTRATOR),
]

# The key in texts.json for each text that a bank may write itself.
TEXTS = {
    TextCode.PRIVACY: "privacy",
    TextCode.WAITING: "waiting",
    TextCode.NOBODY: "offline",
    TextCode.ENDED: "ended",
    TextCode.RATING: "rating_question",
}
GREETINGS = {
    TextCode.GREETING_MORNING: "morning",
    TextCode.GREETING_AFTERNOON: "afternoon",
    TextCode.GREETING_EVENING: "evening",
    TextCode.GREETING_NIGHT: "night",
}


def set_up(*, origins: list[str]) -> Site:
    """Create the missing objects of the bank and return its site. These `origins` may then embed the widget."""
    departments = {
        code: Department.objects.get_or_create(
            code=code, defaults={"name_zh": name_zh, "name_en": name_en, "order": order}
        )[0]
        for order, (code, name_zh, name_en) in enumerate(DEPARTMENTS)
    }
    staff = _create_staff(departments)
    site, is_new = Site.objects.get_or_create(
        key=SITE_KEY,
        defaults={
            "name_zh": "青岚银行",
            "name_en": "Qinglan Bank",
            "department": departments["general"],
            "hotline": HOTLINE,
        },
    )
    allowed = list(dict.fromkeys([*site.origins, *origins]))
    if allowed != site.origins:
        site.allowed_origins = "\n".join(allowed)
        site.save(update_fields=["allowed_origins"])
    if is_new:
        _create_routing(departments)
        _create_widget_texts(site, departments)
        _create_codes_and_replies(departments, staff)
    return site


def _create_routing(departments: dict[str, Department]) -> None:
    """Create a policy of each mode, the English skill, and words that raise an emergency."""
    DepartmentPolicy.objects.bulk_create(
        [
            DepartmentPolicy(department=departments["general"], mode=Mode.OFFER, offer_seconds=30),
            DepartmentPolicy(department=departments["cards"], mode=Mode.PUSH, pause_seconds=10),
            DepartmentPolicy(department=departments["digital"], mode=Mode.OFFER, offer_seconds=30),
            DepartmentPolicy(department=departments["loans"], mode=Mode.PULL),
        ]
    )
    english = Skill.objects.create(code="english", name_zh="英语", name_en="English", language="en")
    levels = {"lin": 4, "zhao": 5, "tang": 3}
    StaffSkill.objects.bulk_create(
        StaffSkill(staff=staff, skill=english, level=levels[staff.username])
        for staff in Staff.objects.filter(username__in=levels)
    )
    EmergencyRule.objects.bulk_create(
        EmergencyRule(word=word, exceptions=exceptions) for word, exceptions in EMERGENCY_WORDS
    )


def _create_staff(departments: dict[str, Department]) -> dict[str, Staff]:
    """Create the missing staff, and return all staff of the demo by username.

    All accounts have the same password and share one hash, because computing a hash takes a third of a second.
    """
    staff = Staff.objects.in_bulk([person.username for person in PEOPLE], field_name="username")
    missing = [person for person in PEOPLE if person.username not in staff]
    password = make_password(PASSWORD) if missing else ""
    for person in missing:
        staff[person.username] = Staff.objects.create(
            username=person.username,
            password=password,
            name=person.name,
            name_en=person.name_en,
            number=person.number,
            role=person.role,
            is_staff=person.role != Role.AGENT,
        )
        staff[person.username].departments.set([departments[code] for code in person.departments])
    return staff


def _read(name: str) -> Any:
    return json.loads((FOLDER / name).read_text(encoding="utf-8"))


def _create_widget_texts(site: Site, departments: dict[str, Department]) -> None:
    FormField.objects.bulk_create(
        [
            FormField(site=site, key="name", kind=FormField.Kind.NAME, order=0,
                      label_zh="怎么称呼您", label_en="Your name"),
            FormField(site=site, key="subject", kind=FormField.Kind.DEPARTMENT, order=1,
                      label_zh="想咨询什么", label_en="What is it about?"),
        ]
    )  # fmt: skip
    for language, texts in _read("texts.json").items():
        BusinessText.objects.bulk_create(
            [
                BusinessText(site=site, code=code, language=language, body=texts[key])
                for code, key in TEXTS.items()
            ]
            + [
                BusinessText(site=site, code=code, language=language, body=texts["greeting"][key])
                for code, key in GREETINGS.items()
            ]
        )
        QuickTopic.objects.bulk_create(
            [
                QuickTopic(
                    site=site,
                    language=language,
                    label=topic["label"],
                    first_message=topic["first_message"],
                    department=departments[topic["department"]],
                    order=order,
                )
                for order, topic in enumerate(texts["quick_topics"])
            ]
        )


def _create_codes_and_replies(departments: dict[str, Department], staff: dict[str, Staff]) -> None:
    for code in _read("wrap_up_codes.json"):
        WrapUpCode.objects.get_or_create(
            code=code["code"],
            defaults={
                "name_zh": code["name_zh"],
                "name_en": code["name_en"],
                "department": departments.get(code["department"]),
                "order": code["order"],
            },
        )
    CannedReply.objects.bulk_create(
        [
            CannedReply(
                department=departments.get(reply["department"]) if reply["scope"] == "department" else None,
                owner=staff[reply["owner"]] if reply["scope"] == "personal" else None,
                language=reply["language"],
                shortcut=reply["shortcut"],
                title=reply["title"],
                body=reply["body"],
                initials=initials_of(reply["title"]),
            )
            for reply in _read("canned_replies.json")
        ],
        ignore_conflicts=True,
    )
