"""Tests of `make demo`: the data that it loads, the start of the server, and the databases that it refuses."""

from __future__ import annotations

import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import urllib.request
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path

import pytest
from django.contrib.auth import authenticate
from django.core.management import CommandError, call_command
from django.db import connection
from django.db.models import F
from django.utils import timezone

from accounts.models import Staff
from chat.actions.events import digest_of
from chat.models import AuthorRole, Conversation, MessageKind, Rating, Site, Status
from demo import bank, exams
from demo.dialogues import Dialogue, dialogues
from demo.editors import CHANGED_POINT, NEW_RULE
from demo.load import KNOWLEDGE_AGE, load
from demo.plan import ACTIVE_AGENTS, WAITING_DEPARTMENTS, plan
from exams import selectors
from exams.actions.drill import next_question
from exams.actions.exams import begin_paper
from exams.models import Appeal, Paper
from knowledge import selectors_recipients, suggestions
from knowledge.models import Point, UnansweredQuestion, Use
from knowledge.published_index import published
from knowledge.question_detection import asks_for_a_point
from knowledge.search import NOT_ANSWERED
from server import process_lock
from tests.harness.servers.process import HOST, ROOT, Server, free_port

EXAMS = (exams.TWO_MONTHS_AGO, exams.LAST_MONTH, exams.THIS_MONTH)

# -- The plan of the day -------------------------------------------------------------------------------------


@pytest.mark.parametrize("minute", range(0, 24 * 60, 31))
def test_the_plan_at_any_time_of_day_uses_every_dialogue_once(minute: int) -> None:
    now = datetime(2026, 3, 28, tzinfo=UTC) + timedelta(minutes=minute)

    past, active, waiting = plan(dialogues(), now)

    assert sorted(scene.dialogue.id for scene in past + active + waiting) == sorted(d.id for d in dialogues())
    assert [scene.dialogue.agent for scene in active] == list(ACTIVE_AGENTS)
    assert [scene.dialogue.department for scene in waiting] == list(WAITING_DEPARTMENTS)
    assert all(now - timedelta(hours=26) < scene.at < now for scene in past + active + waiting)
    assert all(
        scene.at + timedelta(seconds=scene.dialogue.seconds) < now - timedelta(minutes=29) for scene in past
    )
    here = {scene.visitor for scene in active + waiting}
    assert any(scene.visitor in here for scene in past)
    over = [turn for scene in past for turn in scene.turns]
    assert sum(turn.unanswered for turn in over) == 4
    assert {turn.helped for turn in over} == {None, True, False}
    for scene in active + waiting:
        last_answer = max((n for n, turn in enumerate(scene.turns) if turn.by == "agent"), default=-1)
        asked = scene.at + timedelta(seconds=sum(turn.after for turn in scene.turns[: last_answer + 2]))
        assert now - asked < timedelta(minutes=30)


def test_on_any_day_the_demo_exams_are_in_order_and_in_three_or_four_months() -> None:
    """Check the times of the demo's exams for a start on each day of four years, just before and just after
    midnight."""
    zone = timezone.get_current_timezone()
    for minute in (2, 24 * 60 - 3):
        for day in range(366 * 4):
            now = datetime(2026, 1, 1, tzinfo=zone) + timedelta(days=day, minutes=minute)
            months = []
            for opens_at, sittings in zip(exams.openings(now), EXAMS, strict=True):
                begun = [exams.sat_at(opens_at, sitting) for sitting in sittings]
                assert begun == sorted(begun)
                assert opens_at < begun[0]
                assert begun[-1] < min(opens_at + exams.OPEN_FOR, now) - timedelta(hours=1)
                months += [at.strftime("%Y-%m") for at in begun]
            assert months == sorted(months)
            assert 3 <= len(set(months)) <= 4
            assert now - KNOWLEDGE_AGE < exams.openings(now)[0] - timedelta(days=4)


# -- The stored data -----------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def day(shared_transaction: None) -> Site:
    """Load the whole demo and return its site."""
    site = bank.set_up(origins=["http://127.0.0.1:8000"])
    load(site)
    return site


@pytest.fixture
def conversations(day: Site, db: None) -> list[Conversation]:
    return list(Conversation.objects.select_related("visitor", "agent").order_by("started_at"))


@pytest.mark.both_databases
def test_the_inbox_of_a_demo_agent_has_active_and_waiting_conversations(
    conversations: list[Conversation],
) -> None:
    by_status = [conversation.status for conversation in conversations]

    assert by_status.count(Status.ACTIVE) == len(ACTIVE_AGENTS)
    assert by_status.count(Status.WAITING) == len(WAITING_DEPARTMENTS)
    assert by_status.count(Status.CLOSED) == len(dialogues()) - len(ACTIVE_AGENTS) - len(WAITING_DEPARTMENTS)
    for conversation in conversations:
        if conversation.status in (Status.ACTIVE, Status.WAITING):
            assert conversation.unread_by_agent > 0
            assert conversation.unanswered_since is not None
            assert timezone.now() - conversation.unanswered_since < timedelta(minutes=30)


@pytest.mark.both_databases
def test_counters_and_seq_match_the_messages(conversations: list[Conversation]) -> None:
    for conversation in conversations:
        messages = list(conversation.messages.order_by("seq"))
        spoken = [message for message in messages if message.kind == MessageKind.TEXT]
        roles = [message.author_role for message in spoken]

        assert [message.seq for message in messages] == list(range(1, conversation.last_seq + 1))
        assert conversation.visitor_message_count == roles.count(AuthorRole.VISITOR)
        assert conversation.agent_message_count == roles.count(AuthorRole.AGENT)
        assert conversation.excerpt == spoken[-1].body
        assert conversation.last_message_at == messages[-1].at
        last_read = conversation.agent_read_seq
        assert conversation.unread_by_agent == sum(
            message.seq > last_read and message.author_role == AuthorRole.VISITOR for message in messages
        )


@pytest.mark.both_databases
def test_times_are_in_order_and_none_is_in_the_future(conversations: list[Conversation]) -> None:
    now = timezone.now()
    for conversation in conversations:
        said = list(conversation.messages.order_by("seq").values_list("at", flat=True))
        assert all(earlier <= later for earlier, later in pairwise(said))
        steps = [
            conversation.started_at,
            conversation.assigned_at,
            conversation.first_response_at,
            conversation.ended_at,
            conversation.closed_at,
            now,
        ]
        happened = [step for step in steps if step is not None]
        assert happened == sorted(happened)
        for assignment in conversation.assignments.all():
            assert assignment.at <= (assignment.until_at or now)
            assert assignment.next_in_line_id not in (None, assignment.agent_id)


@pytest.mark.both_databases
def test_past_conversations_are_closed_as_their_dialogues_say(conversations: list[Conversation]) -> None:
    closed = [conversation for conversation in conversations if conversation.status == Status.CLOSED]
    texts = {words_of(conversation): conversation for conversation in closed}
    assert len(texts) == len(closed)
    for dialogue in dialogues():
        conversation = texts.get(words_in(dialogue))
        if conversation is None:
            continue  # The conversation of this dialogue is still open.
        assert conversation.digest == digest_of(conversation)
        assert conversation.ended_by == ("agent" if dialogue.end == "agent" else "visitor")
        if dialogue.end != "left":
            assert conversation.wrap_up_code is not None
            assert conversation.wrap_up_code.code == dialogue.wrap_up
            assert conversation.wrap_up_comment == dialogue.wrap_up_comment
        rating = Rating.objects.filter(conversation=conversation).first()
        assert (rating.score if rating else None) == dialogue.rating
        notes = [turn.text for turn in dialogue.turns if turn.by in ("note", "transfer")]
        assert list(conversation.notes.values_list("body", flat=True)) == notes
        moves = sum(turn.by == "transfer" for turn in dialogue.turns)
        assert conversation.assignments.count() == (0 if dialogue.end == "left" else 1 + moves)
        assert conversation.visitor.level == dialogue.level or dialogue.level == "anonymous"
        texts.pop(words_in(dialogue))
    assert not texts


def words_of(conversation: Conversation) -> tuple[str, ...]:
    return tuple(
        conversation.messages.filter(kind=MessageKind.TEXT).order_by("seq").values_list("body", flat=True)
    )


def words_in(dialogue: Dialogue) -> tuple[str, ...]:
    return tuple(turn.text for turn in dialogue.turns if turn.by in ("visitor", "agent"))


@pytest.mark.both_databases
def test_a_current_visitor_has_an_earlier_conversation(conversations: list[Conversation]) -> None:
    assert Conversation.objects.filter(
        status__in=(Status.ACTIVE, Status.WAITING), visitor__conversations__pk__lt=F("pk")
    ).exists()


def test_all_staff_of_the_demo_can_sign_in(day: Site, db: None) -> None:
    for person in bank.PEOPLE:
        assert authenticate(username=person.username, password=bank.PASSWORD) is not None


@pytest.mark.both_databases
def test_the_demo_has_two_past_exams_and_one_open_exam(day: Site, db: None) -> None:
    papers = Paper.objects.filter(submitted_at__isnull=False)
    assert papers.filter(number=2, is_passed=True).exists()
    assert papers.filter(number=2, is_passed=False).exists()
    # If the exam opened on the last day of a month, one of its papers is in the next month.
    assert len(selectors.by_month(papers)) in (3, 4)
    assert len({figure.percent for figure in selectors.by_examinee(papers)}) >= 4
    assert len(selectors.by_category(papers)) > 10
    assert len(selectors.most_missed(papers)) > 5
    assert selectors.open_appeals().count() == Appeal.objects.count() == 1
    assert {bar.staff.username for bar in selectors.active_restrictions()} == {"sun"}
    assert selectors.proposed_questions().count() > 10

    lin = Staff.objects.get(username="lin")
    asked = next_question(staff=lin)
    assert asked is not None
    assert asked.review > 0
    standing = selectors.standings_of(lin)[0]
    assert (standing.is_open, standing.attempts_left) == (True, 2)
    paper = begin_paper(by=lin, exam=standing.exam.pk)
    assert paper.items.count() == standing.exam.question_count


@pytest.mark.both_databases
def test_demo_answers_are_made_from_points_and_unanswered_questions_are_recorded(day: Site, db: None) -> None:
    changed = Point.objects.get(key=CHANGED_POINT)
    assert changed.published is not None
    assert NEW_RULE in changed.published.answer
    told = selectors_recipients.recipients_of(changed, selectors_recipients.RecipientFilter())
    assert {row.number for row in selectors_recipients.recipient_rows(list(told))} == {1}
    used = Use.objects.filter(by=Use.By.AGENT, seq__isnull=False)
    assert used.count() > 30
    assert sum(Point.objects.values_list("uses", flat=True)) == used.count()
    assert set(Use.objects.values_list("is_helpful", flat=True)) == {None, True, False}
    assert UnansweredQuestion.objects.filter(count__gte=2).exists()
    published.forget()
    # Similar unanswered questions form a group, which shows the question that was asked first. Check all questions,
    # because any of them may be the first.
    for dialogue in dialogues():
        for text in (turn.text for turn in dialogue.turns if turn.unanswered):
            assert asks_for_a_point(text)
            found = suggestions.suggest_for(text, language=dialogue.language)
            assert not found or found[0].confidence < NOT_ANSWERED, text


# -- Loading again, and refusals -----------------------------------------------------------------------------


def test_loading_again_keeps_changes_and_adds_an_origin(day: Site, db: None) -> None:
    Staff.objects.filter(username="lin").update(name="林小晓")
    before = Conversation.objects.count()

    call_command("load_demo", port=8321, force=True, verbosity=0)

    assert Staff.objects.get(username="lin").name == "林小晓"
    assert Conversation.objects.count() == before
    origins = Site.objects.get(key="demo").origins
    assert "http://127.0.0.1:8321" in origins
    assert "http://127.0.0.1:8000" in origins


@pytest.mark.both_databases
def test_load_demo_refuses_a_database_with_other_staff(db: None) -> None:
    Staff.objects.create(username="somebody", number="7")
    Site.objects.filter(key=bank.SITE_KEY).update(key="a-bank")
    before = Staff.objects.count()

    with pytest.raises(CommandError, match="--force"):
        call_command("load_demo", verbosity=0)

    assert Staff.objects.count() == before


def test_load_demo_refuses_a_database_server(db: None) -> None:
    if connection.vendor != "postgresql":
        pytest.fail("this test needs PostgreSQL: run it by make test")
    with pytest.raises(CommandError, match="on a database server"):
        call_command("load_demo", verbosity=0)


# -- The server ----------------------------------------------------------------------------------------------


class DemoServer(Server):
    """A process of `manage.py demo`, started in the same way as by `make demo`."""

    name = "demo"
    # The start takes about ten seconds of work, and longer on a busy machine.
    start_seconds = 600.0
    stop_signal = signal.SIGINT

    def environment(self) -> Mapping[str, str]:
        return environment(self.folder / "state")

    def command(self) -> Sequence[str | Path]:
        return [sys.executable, "manage.py", "demo", "--port", str(self.port)]

    def is_ready(self) -> bool:
        try:
            with urllib.request.urlopen(f"http://{HOST}:{self.port}/healthz", timeout=5) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def stored(self) -> int:
        with contextlib.closing(sqlite3.connect(self.folder / "state" / "lianxin.sqlite3")) as database:
            count: int = database.execute("SELECT count(*) FROM chat_message").fetchone()[0]
        return count


def environment(state: Path) -> dict[str, str]:
    inherited = {key: value for key, value in os.environ.items() if not key.startswith("LIANXIN_")}
    return {**inherited, "LIANXIN_STATE_DIR": str(state), "PYTHONUNBUFFERED": "1"}


def demo_refused(state: Path, port: int) -> str:
    result = subprocess.run(
        [sys.executable, "manage.py", "demo", "--port", str(port)],
        cwd=ROOT, env=environment(state), capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert result.returncode == 1
    assert "Traceback" not in result.stderr
    return result.stderr


def test_the_demo_starts_prints_its_address_refuses_a_second_server_and_keeps_its_data(
    tmp_path: Path,
) -> None:
    with DemoServer() as server:
        for words in (
            f"http://127.0.0.1:{server.port}/console/",
            "lin ",
            bank.PASSWORD,
            "坐席台",
            "supervisor",
        ):
            assert words in server.log

        # In the same folder, a second process is refused on any port, because an SQLite database serves only one
        # process.
        assert f"http://127.0.0.1:{server.port}/" in demo_refused(server.folder / "state", free_port())
        # In another folder, the same port is refused.
        assert f"Port {server.port} cannot be used" in demo_refused(tmp_path / "other", server.port)

        before = server.stored()
        assert before > 1000
        server.send_signal(signal.SIGINT)
        assert server.wait() == 0, server.log[-3000:]
        assert "Traceback" not in server.log

        server.start()
        assert server.stored() == before
        server.kill()
        # The lock of a killed server must be free again.
        os.close(process_lock.acquire(server.folder / "state", "ours"))
