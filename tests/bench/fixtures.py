"""Creates the database contents that the measurements need, using Lianxin's own models and actions. Runs in `manage.py
shell`."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from itertools import accumulate, cycle
from random import Random
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import BACKEND_SESSION_KEY, HASH_SESSION_KEY, SESSION_KEY
from django.contrib.sessions.backends.db import SessionStore
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from accounts import presence
from accounts.models import Department, PresenceStatus, Role, Staff
from chat.actions import visitors
from chat.archive.search_terms import terms_of
from chat.errors import NobodyWaiting
from chat.models import Assignment, AuthorRole, Conversation, Message, Site, Status, Visitor
from chat.widget import tokens
from routing.actions.taking import take_next
from routing.models import DepartmentPolicy, Mode
from tests.bench.texts import CHINESE, TEXTS

MESSAGES_PER_CONVERSATION = 10
# Words that occur in no text of the archive, not even where one word ends and the next begins.
ABSENT_WORDS = [
    *("麒麟", "饕餮", "貔貅", "琥珀", "琉璃", "蝙蝠", "蜻蜓", "橄榄", "葡萄", "玫瑰"),
    *("鹦鹉", "骆驼", "蟋蟀", "蜈蚣", "琵琶", "枇杷", "珊瑚", "翡翠", "茉莉", "咖啡"),
]


def create_staff(*, agents: int) -> dict[str, Any]:
    """Create a site, its department, `agents` agents and a supervisor, all online. Return the cookies of their
    sessions."""
    department = Department.objects.create(code="bench", name_zh="客户服务", name_en="Service")
    Site.objects.create(
        key="bench", name_zh="测试银行", name_en="Bench", allowed_origins="", department=department
    )
    people = [
        _create_member(f"agent{number}", f"1{number:04}", Role.AGENT, department) for number in range(agents)
    ]
    supervisor = _create_member("supervisor", "90000", Role.SUPERVISOR, department)
    return {"agents": [_cookies(staff) for staff in people], "supervisor": _cookies(supervisor)}


def _create_member(username: str, number: str, role: Role, department: Department) -> Staff:
    staff = Staff.objects.create_user(
        username,
        password=None,
        name="客服" + number,
        name_en=username,
        number=number,
        role=role,
        capacity=1000,
    )
    staff.departments.add(department)
    presence.set_status(staff=staff, status=PresenceStatus.ONLINE)
    return staff


def _cookies(staff: Staff) -> dict[str, str]:
    session = SessionStore()
    session[SESSION_KEY] = str(staff.pk)
    session[BACKEND_SESSION_KEY] = settings.AUTHENTICATION_BACKENDS[0]
    session[HASH_SESSION_KEY] = staff.get_session_auth_hash()
    session.create()
    return {"sessionid": str(session.session_key), "django_language": "zh-hans"}


def take_all() -> list[list[str]]:
    """Let the agents take conversations in turn, one at a time, until the queue is empty.

    Return a list of conversation ids for each agent, in the order of the agents' cookies.
    """
    agents = list(Staff.objects.filter(role=Role.AGENT).order_by("pk"))
    taken: list[list[str]] = [[] for _ in agents]
    try:
        while True:
            for mine, staff in zip(taken, agents, strict=True):
                mine.append(str(take_next(staff=staff).uuid))
    except NobodyWaiting:
        return taken


def create_conversations(*, waiting: int = 0, active: int = 0, agents: int = 1) -> list[list[str]]:
    """Create conversations with one message each: `waiting` in the queue, and `active` shared among the first `agents`
    agents.

    Return a pair [visitor's token, conversation id] for each conversation, the waiting ones first.
    """
    site = Site.objects.select_related("department").get()
    staff = list(Staff.objects.filter(role=Role.AGENT).order_by("pk")[:agents])
    now, count = timezone.now(), waiting + active
    visitors = Visitor.objects.bulk_create(
        [Visitor(site=site, name="", language="zh") for _ in range(count)], batch_size=2000
    )
    conversations = []
    for number, visitor in enumerate(visitors):
        agent = staff[number % len(staff)] if number >= waiting else None
        began = now - timedelta(seconds=count - number)
        conversations.append(
            Conversation(
                client_id=uuid4(), site=site, visitor=visitor, department=site.department, agent=agent,
                status=Status.ACTIVE if agent else Status.WAITING, page="https://www.bank.example/cards/",
                device="phone", subject="信用卡", last_seq=1, unread_by_agent=1, visitor_message_count=1,
                visitor_received_seq=1, visitor_read_seq=1, excerpt=TEXTS[number % len(TEXTS)], started_at=began,
                waiting_since=began, queue_time=began, unanswered_since=began, last_message_at=began,
                assigned_at=began if agent else None,
            )
        )  # fmt: skip
    Conversation.objects.bulk_create(conversations, batch_size=2000)
    Message.objects.bulk_create(
        [
            Message(
                conversation=conversation, seq=1, client_id=uuid4(), author_role=AuthorRole.VISITOR,
                body=conversation.excerpt, at=conversation.started_at, terms=terms_of(conversation.excerpt),
            )
            for conversation in conversations
        ],
        batch_size=2000,
    )  # fmt: skip
    Assignment.objects.bulk_create(
        [
            Assignment(
                conversation=conversation, agent=conversation.agent, by=conversation.agent, department=site.department,
                at=conversation.started_at, reason=Assignment.Reason.TAKEN,
            )
            for conversation in conversations
            if conversation.agent
        ],
        batch_size=2000,
    )  # fmt: skip
    _analyse()
    return [
        [tokens.token_for(conversation.visitor.uuid, site.key), str(conversation.uuid)]
        for conversation in conversations
    ]


def _analyse() -> None:
    """Collect the statistics of the tables, as PostgreSQL's autovacuum would within a minute."""
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE")


def take_in_threads(*, threads: int, seconds: float) -> dict[str, float]:
    """Let the agents take conversations on several threads for `seconds`, or until the queue is empty.

    The threads call the action directly, without HTTP.
    """
    agents = list(Staff.objects.filter(role=Role.AGENT).order_by("pk"))
    # Give back this thread's connection, so that the threads below can use the whole pool, which is as small as a
    # server's.
    connection.close()
    next_agents = cycle(agents)
    taken: list[UUID] = []
    began = time.monotonic()

    def take() -> None:
        try:
            while time.monotonic() - began < seconds:
                taken.append(take_next(staff=next(next_agents)).uuid)
        except NobodyWaiting:
            pass
        connection.close()

    with ThreadPoolExecutor(threads) as pool:
        for done in [pool.submit(take) for _ in range(threads)]:
            done.result()
    return {"seconds": time.monotonic() - began, "taken": len(taken), "distinct": len(set(taken))}


def assignment_counts() -> dict[str, int]:
    """Return the number of conversations that have an agent, and the number of open assignments."""
    return {
        "active": Conversation.objects.filter(status=Status.ACTIVE).count(),
        "assignments": Assignment.objects.filter(until_at=None).count(),
    }


def set_push_mode() -> None:
    DepartmentPolicy.objects.create(department=Department.objects.get(), mode=Mode.PUSH)


def assignment_times() -> dict[str, float]:
    """Return the number of assignments, of different conversations among them, and the seconds from first to last."""
    times = list(Assignment.objects.order_by("at").values_list("at", flat=True))
    distinct = Assignment.objects.values("conversation").distinct().count()
    seconds = (times[-1] - times[0]).total_seconds() if times else 0.0
    return {"assigned": len(times), "distinct": distinct, "seconds": max(seconds, 0.001)}


def assignment_delays(*, count: int, per_second: float) -> list[float]:
    """Start `count` conversations at random moments, and return the milliseconds until each was assigned."""
    site = Site.objects.get()
    rng = Random(5)
    at = time.monotonic()
    for _ in range(count):
        at += rng.expovariate(per_second)
        time.sleep(max(0.0, at - time.monotonic()))
        visitors.start_conversation(site=site, visitor_uuid=uuid4(), client_id=uuid4(), form={})
    time.sleep(3)
    return [
        (assigned - started).total_seconds() * 1000
        for assigned, started in Assignment.objects.values_list("at", "conversation__started_at")
    ]


def queries_of(path: str, cookies: dict[str, str]) -> int:
    """Return the number of database queries of a page, including those for the session and the user."""
    client = Client(SERVER_NAME="127.0.0.1")
    client.cookies.load(cookies)
    with CaptureQueriesContext(connection) as captured:
        response = client.get(path)
    assert response.status_code == 200, response.status_code
    return len(captured)


def create_archive(*, messages: int) -> dict[str, list[str]]:
    """Create an archive of `messages` messages in closed conversations of ten, a quarter of them in the agents'
    department.

    Return lists of words to search for, by kind: common, less common, rare, and words that occur nowhere. Each text
    begins with one of the Chinese texts in tests/bench/texts.py. After it come words that are drawn from 4,000
    two-character words by Zipf's law, as in natural language.
    """
    rng = Random(3)
    characters = sorted({letter for text in CHINESE for letter in text if "\u4e00" <= letter <= "\u9fff"})
    words = [first + second for first in characters for second in characters if first != second]
    rng.shuffle(words)
    in_texts = {term for text in CHINESE for term in terms_of(text)}
    words = [word for word in words if word not in in_texts][:4000]
    weights = list(accumulate(1 / rank for rank in range(1, len(words) + 1)))
    site = Site.objects.get()
    colleague = Staff.objects.filter(role=Role.SUPERVISOR)[0]
    departments = [site.department_id]
    for number in range(3):
        other = Department.objects.create(
            code=f"other{number}", name_zh=f"其他{number}", name_en=f"Other {number}"
        )
        departments.append(other.pk)
    conversation_count = messages // MESSAGES_PER_CONVERSATION
    with connection.cursor() as cursor:
        cursor.execute("SET maintenance_work_mem = '512MB'")
        cursor.execute("DROP INDEX chat_message_terms")
        cursor.execute(
            """INSERT INTO chat_visitor (uuid, site_id, level, customer_reference, name, language, first_seen_at,
                   last_seen_at)
               SELECT gen_random_uuid(), %s, 'anonymous', '', '', 'zh', now(), now() FROM generate_series(1, %s)""",
            [site.pk, conversation_count],
        )
        conversation = Conversation(
            client_id=uuid4(), site=site, visitor_id=0, department_id=site.department_id, agent=colleague,
            status=Status.CLOSED, last_seq=MESSAGES_PER_CONVERSATION,
        )  # fmt: skip
        fields = [field for field in Conversation._meta.concrete_fields if not field.primary_key]
        names = ", ".join(str(field.column) for field in fields)
        values = [
            field.get_db_prep_save(getattr(conversation, field.attname), connection) for field in fields
        ]
        sql_values = {"uuid": "gen_random_uuid()", "client_id": "gen_random_uuid()", "visitor_id": "id"}
        sql_values["department_id"] = f"(ARRAY{departments})[1 + id %% 4]"
        placeholders = ", ".join(sql_values.get(str(field.column), "%s") for field in fields)
        parameters = [
            value for field, value in zip(fields, values, strict=True) if field.column not in sql_values
        ]
        cursor.execute(
            f"INSERT INTO chat_conversation ({names}) SELECT {placeholders} FROM chat_visitor ORDER BY id",
            parameters,
        )
        cursor.execute("SELECT id FROM chat_conversation ORDER BY id")
        pks = [pk for (pk,) in cursor.fetchall()]
        columns = "conversation_id, seq, client_id, kind, author_role, author_name, body, payload, at, terms"
        with cursor.copy(f"COPY chat_message ({columns}) FROM STDIN") as copy:
            for pk in pks:
                for seq in range(1, MESSAGES_PER_CONVERSATION + 1):
                    drawn = "".join(rng.choices(words, cum_weights=weights, k=3))
                    body = f"{rng.choice(CHINESE)}{drawn}"
                    terms = " ".join("'" + term.replace("'", "''") + "'" for term in terms_of(body))
                    copy.write_row(
                        (pk, seq, uuid4(), "text", "visitor" if seq % 2 else "agent", "", body, "{}",
                         conversation.started_at, terms)
                    )  # fmt: skip
        cursor.execute("CREATE INDEX chat_message_terms ON chat_message USING gin (terms)")
    connection.connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    texts_words = ["账户", "转账", "银行", "手机", "怎么", "什么", "请问", "可以", "还是", "一下"]
    return {
        "common": [word for word in texts_words if word in in_texts][:6] + words[:14],
        "middling": words[100:2000:95],
        "rare": words[3000:4000:50],
        "none": ABSENT_WORDS,
    }
