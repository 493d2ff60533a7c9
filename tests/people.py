"""The people and objects that most tests use: a bank's site, two departments, staff members, and functions that start
conversations and store messages.

`PEOPLE` are plain descriptions for tests with browsers and servers. `Cast` has the same people as database objects.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.sessions.backends.db import SessionStore

from accounts import presence
from accounts.models import Department, PresenceStatus, Role, Staff
from chat.actions import agents, posts, visitors
from chat.models import Conversation, FormField, QuickTopic, Site, Visitor, WrapUpCode
from chat.protocol import AcceptedFrame
from chat.protocol.serializers import person_of
from routing.actions import taking

PASSWORD = "lamp-in-the-window"
SITE_KEY = "qinglan"
IDENTITY_SECRET = "the bank and the chat know this one, and nobody else does, we hope"
ORIGIN = "https://www.bank.example"


@dataclass(frozen=True)
class Person:
    """A description of a staff member, without a database object."""

    username: str
    name: str
    name_en: str
    number: str
    role: str
    departments: tuple[str, ...] = ()


MEI = Person("mei", "林梅", "Mei Lin", "1001", "agent", ("cards",))
HAO = Person("hao", "陈浩", "Hao Chen", "1002", "agent", ("cards",))
JUN = Person("jun", "王军", "Jun Wang", "2001", "agent", ("loans",))
YUN = Person("yun", "赵云", "Yun Zhao", "9001", "supervisor", ("cards", "loans"))
WEN = Person("wen", "孙文", "Wen Sun", "9101", "auditor")
AN = Person("an", "周安", "An Zhou", "9201", "administrator")
NING = Person("ning", "宁编", "Ning Bian", "4001", "editor")
PEOPLE = (MEI, HAO, JUN, YUN, WEN, AN, NING)


@dataclass(frozen=True)
class Cast:
    """The database objects of the test people.

    `mei` and `hao` are agents for cards and `jun` is an agent for loans. `yun` is a supervisor, `wen` an auditor, `an`
    an administrator and `ning` a knowledge editor.
    """

    site: Site
    cards: Department
    loans: Department
    mei: Staff
    hao: Staff
    jun: Staff
    yun: Staff
    wen: Staff
    an: Staff
    ning: Staff
    done: WrapUpCode


def create_cast(*, origins: Sequence[str] = (ORIGIN,), password: str = "") -> Cast:
    """Create the test people and their site. Without `password`, nobody can sign in by the form, but no time is spent
    on hashing."""
    cards, loans = Department.objects.bulk_create(
        [
            Department(code="cards", name_zh="信用卡", name_en="Cards", order=1),
            Department(code="loans", name_zh="贷款", name_en="Loans", order=2),
        ]
    )
    site = Site.objects.create(
        key=SITE_KEY,
        name_zh="青岚银行",
        name_en="Qinglan Bank",
        allowed_origins="\n".join(origins),
        identity_secret=IDENTITY_SECRET,
        # Only the tests of nonces require a nonce.
        requires_nonce=False,
        department=cards,
        hotline="95000",
    )
    name, subject = FormField.Kind.NAME, FormField.Kind.DEPARTMENT
    FormField.objects.bulk_create(
        [
            FormField(site=site, key="name", kind=name, label_zh="怎么称呼您", label_en="Your name", order=1),
            FormField(site=site, key="subject", kind=subject, label_zh="事由", label_en="Subject", order=2),
        ]
    )
    QuickTopic.objects.bulk_create(
        QuickTopic(site=site, language=language, label=label, first_message=first_message, department=cards)
        for language, label, first_message in (
            ("zh", "卡被吞了", "我的卡被取款机吞了。"),
            ("en", "Card swallowed", "The machine has swallowed my card."),
        )
    )
    done = WrapUpCode.objects.create(code="done", name_zh="已解决", name_en="Solved")
    hashed = make_password(password or None)
    staff = Staff.objects.bulk_create(
        Staff(
            username=person.username,
            password=hashed,
            name=person.name,
            name_en=person.name_en,
            number=person.number,
            role=person.role,
            is_staff=person.role != Role.AGENT,
        )
        for person in PEOPLE
    )
    departments = {"cards": cards, "loans": loans}
    Membership = Staff.departments.through
    Membership.objects.bulk_create(
        Membership(staff=member, department=departments[code])
        for member, person in zip(staff, PEOPLE, strict=True)
        for code in person.departments
    )
    people = {member.username: member for member in staff}
    return Cast(site=site, cards=cards, loans=loans, done=done, **people)


def session_of(staff: Staff) -> str:
    """Sign a staff member in without a form and return the session key, which is the value of the cookie."""
    session = SessionStore()
    session[SESSION_KEY] = str(staff.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = staff.get_session_auth_hash()
    session.create()
    assert session.session_key is not None
    return session.session_key


def go_online(*staff: Staff) -> None:
    for member in staff:
        presence.set_status(staff=member, status=PresenceStatus.ONLINE)


def take_next_as(*, staff: Staff, client_id: UUID | None = None) -> Conversation:
    """Take the next conversation as an agent who goes online first."""
    go_online(staff)
    return taking.take_next(staff=staff, client_id=client_id)


def take_as(*, staff: Staff, uuid: UUID) -> Conversation:
    """Take a conversation as an agent who goes online first."""
    go_online(staff)
    return taking.take(staff=staff, uuid=uuid)


def start(
    cast: Cast, *, visitor: UUID | None = None, name: str = "", department: str = "", language: str = "zh"
) -> Conversation:
    """Start a conversation of a new visitor, or of `visitor`. It waits in the queue."""
    return visitors.start_conversation(
        site=cast.site,
        visitor_uuid=visitor or uuid4(),
        client_id=uuid4(),
        form={"name": name, "subject": department},
        language=language,
    )


def start_with(cast: Cast, agent: Staff, *, language: str = "zh") -> Conversation:
    """Start a conversation of a new visitor in the agent's first department, put the agent online, and assign the
    conversation to the agent."""
    first = agent.departments.order_by("order").first()
    conversation = start(cast, department=first.code if first else "", language=language)
    go_online(agent)
    agents.transfer_to_agent(staff=cast.yun, uuid=conversation.uuid, to=agent)
    conversation.refresh_from_db()
    return conversation


def say(conversation: Conversation, body: str, *, by: Staff | Visitor | None = None) -> AcceptedFrame:
    """Store a message of the visitor or of `by`, and return the frame that accepts it."""
    author = by or conversation.visitor
    client_id = uuid4()
    if isinstance(author, Staff):
        post = posts.Post(conversation.pk, client_id, body, agent=person_of(author))
    else:
        post = posts.Post(conversation.pk, client_id, body, visitor_id=author.pk)
    (outcome,), _ = posts.post_batch([post])
    assert isinstance(outcome, AcceptedFrame), outcome
    return outcome


def say_many(conversation: Conversation, count: int, *, body: str = "") -> None:
    """Store `count` messages of the visitor: "1", "2", "3" and so on, or always `body`."""
    messages = [
        posts.Post(conversation.pk, uuid4(), body or str(number), visitor_id=conversation.visitor_id)
        for number in range(1, count + 1)
    ]
    posts.post_batch(messages)
