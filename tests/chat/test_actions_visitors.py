"""What a visitor does besides posting: begin, say who they are, end, rate.

Guards invariants 4 (twice is harmless) and 6 (one open conversation, one answer in a race).
"""

from __future__ import annotations

import json
import threading
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from django.db import connection

from chat import access
from chat.actions import agents, identities, visitors
from chat.errors import FormIncomplete, IdentityRefused, NotFound, RatingRefused
from chat.models import Conversation, FormField, IdentityUse, Level, QuickTopic, Rating, Site, Status, Visitor
from chat.protocol import ConversationChanged, Hello, MessagePosted, Start, VisitorTokensVoided
from chat.widget import sessions
from chat.widget.tokens import read_token, token_for
from tests.conftest import Announced
from tests.people import IDENTITY_SECRET, Cast, create_cast, say, start, start_with

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def begin(cast: Cast, **changed: Any) -> Conversation:
    values: dict[str, Any] = {
        "site": cast.site,
        "visitor_uuid": uuid4(),
        "client_id": uuid4(),
        "form": {},
        **changed,
    }
    return visitors.start_conversation(**values)


# -- Begin -----------------------------------------------------------------------------------------------------


def test_a_conversation_begins_and_waits(cast: Cast, announced: Announced) -> None:
    visitor = uuid4()
    conversation = begin(
        cast,
        visitor_uuid=visitor,
        form={"name": "  李 雷 ", "subject": "loans"},
        language="en",
        page="https://www.bank.example/loans/?account=6222#top",
        device="phone",
    )

    assert conversation.status == Status.WAITING
    assert conversation.visitor.uuid == visitor
    assert (conversation.visitor.name, conversation.visitor.level) == ("李 雷", Level.CLAIMED)
    assert conversation.department == cast.loans
    assert conversation.page == "https://www.bank.example/loans/"
    assert (conversation.language, conversation.device) == ("en", "phone")
    (event,) = announced.take()
    assert isinstance(event, ConversationChanged)
    assert (event.row.id, event.row.status, event.was_status) == (str(conversation.uuid), "waiting", "")


def test_a_quick_topic_gives_the_subject_and_the_department(cast: Cast) -> None:
    topic = QuickTopic.objects.create(
        site=cast.site, language="zh", label="房贷", first_message="我想问房贷。", department=cast.loans
    )
    conversation = begin(cast, topic=topic.pk)
    assert (conversation.subject, conversation.department) == ("房贷", cast.loans)


@pytest.mark.parametrize("topic", [None, 0, -1, 987_654])
def test_an_unknown_topic_or_department_goes_where_the_site_says(cast: Cast, topic: int | None) -> None:
    conversation = begin(cast, topic=topic, form={"subject": "no-such-department"})
    assert (conversation.subject, conversation.department) == ("", cast.cards)


def test_a_topic_of_another_site_counts_for_nothing(cast: Cast) -> None:
    other = Site.objects.create(key="other", name_zh="别家", name_en="Other", department=cast.loans)
    topic = QuickTopic.objects.create(
        site=other, language="zh", label="别家", first_message="x", department=cast.loans
    )
    assert begin(cast, topic=topic.pk).department == cast.cards


def test_starting_twice_is_one_conversation(cast: Cast, announced: Announced) -> None:
    visitor, client_id = uuid4(), uuid4()
    first = begin(cast, visitor_uuid=visitor, client_id=client_id)
    announced.take()

    assert begin(cast, visitor_uuid=visitor, client_id=client_id) == first
    assert begin(cast, visitor_uuid=visitor) == first, "a second tab gets the open one"
    assert announced.take() == []
    visitors.end_by_visitor(visitor=first.visitor)
    assert begin(cast, visitor_uuid=visitor, client_id=client_id) == first, "a late repeat starts nothing new"
    assert begin(cast, visitor_uuid=visitor) != first


def test_a_required_answer_is_required(cast: Cast, announced: Announced) -> None:
    FormField.objects.filter(kind=FormField.Kind.NAME).update(is_required=True)
    with pytest.raises(FormIncomplete):
        begin(cast, form={"name": " \x00 \n"})
    assert not Visitor.objects.exists()
    assert announced.take() == []


def test_a_verified_name_is_not_overwritten_by_the_form(cast: Cast) -> None:
    visitor = identify(cast, name="李雷")
    conversation = begin(cast, visitor_uuid=visitor.uuid, form={"name": "行长"})
    assert (conversation.visitor.name, conversation.visitor.level) == ("李雷", Level.VERIFIED)


def test_letters_that_a_database_cannot_hold_are_left_out(cast: Cast) -> None:
    conversation = begin(cast, form={"name": "李\x00雷"}, page="https://a.example/\x00?b", device="pho\x00ne")
    conversation.refresh_from_db()
    assert (conversation.visitor.name, conversation.page, conversation.device) == (
        "李雷",
        "https://a.example/",
        "phone",
    )
    strange, known = sessions.find_session([Hello("qing\x00lan"), Hello(cast.site.key)])
    assert isinstance(strange, NotFound)
    assert isinstance(known, sessions.VisitorSession)


def test_words_as_long_as_the_protocol_allows_fit(cast: Cast) -> None:
    hello = Hello(cast.site.key, language="x" * 10, page="h" * 2000, device="d" * 20)
    start_frame = Start(uuid4(), {"name": "长" * 200, "subject": "s" * 200, "k" * 30: "v" * 200}, 2**62)
    found = sessions.start_conversation(cast.site, uuid4(), start_frame, hello)

    assert found.visitor is not None
    assert (found.pk, found.visitor.name) == (Conversation.objects.get().pk, "长" * 60)


# -- A race ----------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_two_tabs_that_begin_in_the_same_moment_share_one_conversation() -> None:
    cast = create_cast()
    visitor, together = uuid4(), threading.Barrier(4)

    def tab(_: int) -> int:
        try:
            together.wait(10)
            return begin(cast, visitor_uuid=visitor).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(tab, range(4)))) == 1
    assert Conversation.objects.count() == Visitor.objects.count() == 1


# -- Who is it -------------------------------------------------------------------------------------------------


def token(cast: Cast, *, secret: str = IDENTITY_SECRET, algorithm: str = "HS256", **changed: Any) -> str:
    now = datetime.now(UTC)
    claims = {
        "sub": "C-10023",
        "aud": cast.site.key,
        "iat": now,
        "exp": now + timedelta(seconds=60),
        "jti": str(uuid4()),
        **changed,
    }
    return jwt.encode(
        {name: value for name, value in claims.items() if value is not None}, secret, algorithm=algorithm
    )


def identify(cast: Cast, visitor: UUID | None = None, identity: str = "", **claims: Any) -> Visitor:
    return identities.identify(
        site=cast.site, visitor_uuid=visitor or uuid4(), identity=identity or token(cast, **claims)
    )


def test_a_token_of_the_banks_site_makes_a_verified_visitor(cast: Cast) -> None:
    visitor = identify(cast, name="李雷")
    assert (visitor.level, visitor.customer_reference, visitor.name) == (Level.VERIFIED, "C-10023", "李雷")
    assert identify(cast, name="李雷雷") == visitor, "the same customer again, on another device"
    visitor.refresh_from_db()
    assert visitor.name == "李雷雷"


def test_what_was_begun_before_comes_along(cast: Cast, announced: Announced) -> None:
    conversation = start(cast, name="小李")
    say(conversation, "在吗")
    announced.take()
    visitor = identify(cast, conversation.visitor.uuid, name="李雷")

    conversation.refresh_from_db()
    assert conversation.visitor == visitor
    *voided, event = announced.take()
    assert {type(each) for each in voided} == {VisitorTokensVoided}
    assert isinstance(event, ConversationChanged)
    assert (event.row.visitor_name, event.row.level) == ("李雷", "verified")
    say(conversation, "是我")


def test_who_began_it_reads_no_more_of_it(cast: Cast) -> None:
    conversation = start(cast)
    before = conversation.visitor
    say(conversation, "在吗")
    assert sessions.message_page(before, conversation.uuid, 0, 10).head == 1
    visitor = identify(cast, before.uuid)
    with pytest.raises(NotFound):
        sessions.message_page(before, conversation.uuid, 0, 10)
    assert sessions.message_page(visitor, conversation.uuid, 0, 10).head == 1


def test_what_another_customer_began_on_this_computer_does_not_come_along(cast: Cast) -> None:
    first = identify(cast, sub="C-1")
    theirs = begin(cast, visitor_uuid=first.uuid)
    second = identify(cast, first.uuid, sub="C-2")

    theirs.refresh_from_db()
    assert theirs.visitor == first
    assert not second.conversations.exists()


def test_what_has_ended_stays_where_it_was(cast: Cast) -> None:
    conversation = start(cast)
    visitors.end_by_visitor(visitor=conversation.visitor)
    identify(cast, conversation.visitor.uuid)
    conversation.refresh_from_db()
    assert conversation.visitor.level == Level.ANONYMOUS


def test_a_customer_with_an_open_conversation_keeps_that_one(cast: Cast, announced: Announced) -> None:
    """And nobody takes one in which nobody is any more."""
    visitor = identify(cast)
    theirs = begin(cast, visitor_uuid=visitor.uuid)
    anonymous = start(cast)
    announced.take()
    identify(cast, anonymous.visitor.uuid)

    anonymous.refresh_from_db()
    assert (anonymous.visitor == visitor, anonymous.status, anonymous.ended_by) == (
        False,
        "closed",
        "visitor",
    )
    assert "ConversationChanged" in announced.kinds()
    assert list(visitor.conversations.all()) == [theirs]
    assert sessions.session_for(cast.site, visitor).pk == theirs.pk


def test_an_agent_is_told_when_a_customer_goes_on_elsewhere(cast: Cast) -> None:
    visitor = identify(cast)
    begin(cast, visitor_uuid=visitor.uuid)
    anonymous = start_with(cast, cast.mei)
    identify(cast, anonymous.visitor.uuid)

    anonymous.refresh_from_db()
    assert (anonymous.status, anonymous.agent, anonymous.ended_by) == ("wrap_up", cast.mei, "visitor")


def test_what_came_along_is_before_them_though_another_that_ended_is_newer(cast: Cast) -> None:
    anonymous = start(cast)
    visitor = identify(cast)
    newer = begin(cast, visitor_uuid=visitor.uuid)
    visitors.end_by_visitor(visitor=visitor)
    assert newer.pk > anonymous.pk
    identify(cast, anonymous.visitor.uuid)

    assert begin(cast, visitor_uuid=visitor.uuid) == anonymous
    assert sessions.session_for(cast.site, visitor).pk == anonymous.pk
    visitor.refresh_from_db()
    words = token_for(visitor.uuid, cast.site.key, visitor.token_generation)
    read = read_token(words)
    assert read is not None
    (found,) = sessions.find_session([Hello(cast.site.key, token=words)])
    assert isinstance(found, sessions.VisitorSession)
    assert found.pk == anonymous.pk
    assert access.conversation_of(visitor) == access.current_conversation_of(cast.site, read) == anonymous
    visitors.end_by_visitor(visitor=visitor)
    anonymous.refresh_from_db()
    assert anonymous.status == "closed"


def test_a_token_is_good_once(cast: Cast) -> None:
    identity = token(cast)
    identify(cast, identity=identity)
    with pytest.raises(IdentityRefused):
        identify(cast, identity=identity)


def test_long_token_ids_that_begin_alike_are_two(cast: Cast) -> None:
    identify(cast, jti="x" * 63 + "1")
    identify(cast, jti="x" * 63 + "2")
    assert IdentityUse.objects.count() == 2


@pytest.mark.parametrize(
    "claims",
    [
        {"secret": "somebody else's secret, also long enough for it"},
        {"algorithm": "HS512"},
        {"aud": "another-site"},
        {"aud": None},
        {"sub": None},
        {"sub": ""},
        {"sub": "x" * 65},
        {"sub": "C\x001"},
        {"sub": 7},
        {"jti": None},
        {"jti": ""},
        {"jti": "x" * 65},
        {"jti": 7},
        {"exp": None},
        {"exp": datetime(2020, 1, 1, tzinfo=UTC)},
        {"exp": datetime(2120, 1, 1, tzinfo=UTC)},
        {"exp": "soon"},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"iat": None},
        {"iat": datetime(2120, 1, 1, tzinfo=UTC)},
        {"iat": "now"},
        {"iat": "1", "exp": "4000000000"},
        {"iat": {"a": 1}},
        {"sub": ["C-1"]},
    ],
    ids=str,
)
def test_any_other_token_is_refused(cast: Cast, announced: Announced, claims: dict[str, Any]) -> None:
    secret, algorithm = claims.pop("secret", IDENTITY_SECRET), claims.pop("algorithm", "HS256")
    now = datetime.now(UTC)
    body = {
        "sub": "C-1",
        "aud": cast.site.key,
        "iat": int(now.timestamp()),
        "exp": int(now.timestamp()) + 60,
        "jti": "1",
        **claims,
    }
    body = {
        name: int(value.timestamp()) if isinstance(value, datetime) else value
        for name, value in body.items()
        if value is not None
    }
    forged = jwt.api_jws.encode(json.dumps(body).encode(), secret, algorithm=algorithm)
    with pytest.raises(IdentityRefused):
        identify(cast, identity=forged)
    assert not Visitor.objects.exists()
    assert announced.take() == []


@pytest.mark.parametrize("identity", ["", "x", "a.b.c", "\x00", "ä.ö.ü", "." * 4096, "\ud800.x.y"], ids=ascii)
def test_what_is_no_token_is_refused(cast: Cast, identity: str) -> None:
    with pytest.raises(IdentityRefused):
        identities.identify(site=cast.site, visitor_uuid=uuid4(), identity=identity)


def test_a_site_without_a_secret_believes_nobody(cast: Cast) -> None:
    cast.site.identity_secret = ""
    with pytest.raises(IdentityRefused):
        identify(cast)


def test_an_unsigned_token_is_refused(cast: Cast) -> None:
    with pytest.raises(IdentityRefused):
        identify(cast, identity=token(cast, secret="", algorithm="none"))


# -- End and rate ----------------------------------------------------------------------------------------------


def test_leaving_the_queue_closes_at_once(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    announced.take()
    visitors.end_by_visitor(visitor=conversation.visitor)

    conversation.refresh_from_db()
    assert (conversation.status, conversation.ended_by) == (Status.CLOSED, "visitor")
    assert conversation.closed_at is not None
    assert conversation.last_seq == 1
    posted, changed = announced.take()
    assert isinstance(posted, MessagePosted)
    assert isinstance(changed, ConversationChanged)
    assert posted.message.payload == {"code": "left_queue"}
    assert (changed.was_status, changed.row.status, changed.row.last_seq) == ("waiting", "closed", 1)


def test_ending_a_talk_leaves_it_to_the_agent_to_wrap_up(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    visitors.end_by_visitor(visitor=conversation.visitor)
    assert announced.kinds() == ["MessagePosted", "ConversationChanged"]
    visitors.end_by_visitor(visitor=conversation.visitor)

    assert announced.take() == [], "twice is harmless"
    conversation.refresh_from_db()
    assert (conversation.status, conversation.agent) == (Status.WRAP_UP, cast.mei)
    assert len(conversation.digest) == 64


def test_there_must_be_something_to_end_or_rate(cast: Cast) -> None:
    visitor = Visitor.objects.create(site=cast.site)
    with pytest.raises(NotFound):
        visitors.end_by_visitor(visitor=visitor)
    with pytest.raises(NotFound):
        visitors.rate(visitor=visitor, score=5, comment="")


def test_an_ended_conversation_is_rated_and_rated_again(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    visitors.end_by_visitor(visitor=conversation.visitor)
    announced.take()
    visitors.rate(visitor=conversation.visitor, score=2, comment="等了很久")
    visitors.rate(visitor=conversation.visitor, score=5, comment=" 谢\x00谢 " + "。" * 490)

    rating = Rating.objects.get()
    assert (rating.score, rating.agent, rating.comment[:2]) == (5, cast.mei, "谢谢")
    events = announced.take()
    assert [event.row.rating for event in events if isinstance(event, ConversationChanged)] == [2, 5]
    assert conversation.messages.count() == 2


def test_what_is_open_or_was_never_answered_cannot_be_rated(cast: Cast, announced: Announced) -> None:
    talking = start_with(cast, cast.mei)
    left = start(cast)
    visitors.end_by_visitor(visitor=left.visitor)
    announced.take()
    for conversation in (talking, left):
        with pytest.raises(RatingRefused):
            visitors.rate(visitor=conversation.visitor, score=5, comment="")
    assert not Rating.objects.exists()
    assert announced.take() == []


def test_a_rating_is_of_the_newest_conversation(cast: Cast) -> None:
    first = start_with(cast, cast.mei)
    agents.end_conversation(staff=cast.mei, uuid=first.uuid)
    start(cast, visitor=first.visitor.uuid)
    with pytest.raises(RatingRefused):
        visitors.rate(visitor=first.visitor, score=1, comment="")
