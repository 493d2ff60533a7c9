"""Tests of actions of a visitor other than posting: start, identify, end, rate.

They guard these invariants of tests/test_invariants.py:

- 4: doing anything twice is harmless.
- 6: a race has one winner and one clear answer.
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
from chat.actions.events import current_row
from chat.errors import FormIncomplete, IdentityRefused, NotFound, RatingRefused
from chat.models import Conversation, FormField, IdentityUse, Level, QuickTopic, Rating, Site, Status, Visitor
from chat.protocol import ConversationChanged, Hello, MessagePosted, Start, VisitorTokensVoided
from chat.widget import sessions
from chat.widget.tokens import read_token, token_for
from tests.conftest import Announced
from tests.people import IDENTITY_SECRET, Cast, create_cast, say, start, start_with, take_as

pytestmark = [pytest.mark.django_db, pytest.mark.both_databases]


def start_conversation(cast: Cast, **changed: Any) -> Conversation:
    values: dict[str, Any] = {
        "site": cast.site,
        "visitor_uuid": uuid4(),
        "client_id": uuid4(),
        "form": {},
        **changed,
    }
    return visitors.start_conversation(**values)


# -- Start -----------------------------------------------------------------------------------------------------


def test_start_conversation_creates_a_waiting_conversation(cast: Cast, announced: Announced) -> None:
    visitor = uuid4()
    conversation = start_conversation(
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


def test_start_with_a_quick_topic_sets_subject_and_department(cast: Cast) -> None:
    topic = QuickTopic.objects.create(
        site=cast.site, language="zh", label="房贷", first_message="我想问房贷。", department=cast.loans
    )
    conversation = start_conversation(cast, topic=topic.pk)
    assert (conversation.subject, conversation.department) == ("房贷", cast.loans)


@pytest.mark.parametrize("topic", [None, 0, -1, 987_654])
def test_start_with_unknown_topic_or_department_uses_the_sites_department(
    cast: Cast, topic: int | None
) -> None:
    conversation = start_conversation(cast, topic=topic, form={"subject": "no-such-department"})
    assert (conversation.subject, conversation.department) == ("", cast.cards)


def test_start_ignores_a_topic_of_another_site(cast: Cast) -> None:
    other = Site.objects.create(key="other", name_zh="别家", name_en="Other", department=cast.loans)
    topic = QuickTopic.objects.create(
        site=other, language="zh", label="别家", first_message="x", department=cast.loans
    )
    assert start_conversation(cast, topic=topic.pk).department == cast.cards


def test_start_twice_gives_one_conversation(cast: Cast, announced: Announced) -> None:
    visitor, client_id = uuid4(), uuid4()
    first = start_conversation(cast, visitor_uuid=visitor, client_id=client_id)
    announced.take()

    assert start_conversation(cast, visitor_uuid=visitor, client_id=client_id) == first
    assert start_conversation(cast, visitor_uuid=visitor) == first, "a second tab gets the open conversation"
    assert announced.take() == []
    visitors.end_by_visitor(visitor=first.visitor)
    assert start_conversation(cast, visitor_uuid=visitor, client_id=client_id) == first, (
        "a late repeat starts nothing new"
    )
    assert start_conversation(cast, visitor_uuid=visitor) != first


def test_start_without_a_required_answer_is_refused(cast: Cast, announced: Announced) -> None:
    FormField.objects.filter(kind=FormField.Kind.NAME).update(is_required=True)
    with pytest.raises(FormIncomplete):
        start_conversation(cast, form={"name": " \x00 \n"})
    assert not Visitor.objects.exists()
    assert announced.take() == []


def test_start_does_not_overwrite_a_verified_name(cast: Cast) -> None:
    visitor = identify(cast, name="李雷")
    conversation = start_conversation(cast, visitor_uuid=visitor.uuid, form={"name": "行长"})
    assert (conversation.visitor.name, conversation.visitor.level) == ("李雷", Level.VERIFIED)


def test_start_removes_nul_characters(cast: Cast) -> None:
    conversation = start_conversation(
        cast, form={"name": "李\x00雷"}, page="https://a.example/\x00?b", device="pho\x00ne"
    )
    conversation.refresh_from_db()
    assert (conversation.visitor.name, conversation.page, conversation.device) == (
        "李雷",
        "https://a.example/",
        "phone",
    )
    unknown, session = sessions.find_session([Hello("qing\x00lan"), Hello(cast.site.key)])
    assert isinstance(unknown, NotFound)
    assert isinstance(session, sessions.VisitorSession)


def test_start_stores_values_of_the_maximum_length(cast: Cast) -> None:
    hello = Hello(cast.site.key, language="x" * 10, page="h" * 2000, device="d" * 20)
    start_frame = Start(uuid4(), {"name": "长" * 200, "subject": "s" * 200, "k" * 30: "v" * 200}, 2**62)
    session = sessions.start_conversation(cast.site, uuid4(), start_frame, hello)

    assert session.visitor is not None
    assert (session.pk, session.visitor.name) == (Conversation.objects.get().pk, "长" * 60)


# -- Concurrent starts -----------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_concurrent_starts_of_one_visitor_share_one_conversation() -> None:
    cast = create_cast()
    visitor, together = uuid4(), threading.Barrier(4)

    def tab(_: int) -> int:
        try:
            together.wait(10)
            return start_conversation(cast, visitor_uuid=visitor).pk
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as threads:
        assert len(set(threads.map(tab, range(4)))) == 1
    assert Conversation.objects.count() == Visitor.objects.count() == 1


# -- Identity --------------------------------------------------------------------------------------------------


def identity_token(
    cast: Cast, *, secret: str = IDENTITY_SECRET, algorithm: str = "HS256", **changed: Any
) -> str:
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
        site=cast.site, visitor_uuid=visitor or uuid4(), identity=identity or identity_token(cast, **claims)
    )


def test_identify_makes_a_verified_visitor(cast: Cast) -> None:
    visitor = identify(cast, name="李雷")
    assert (visitor.level, visitor.customer_reference, visitor.name) == (Level.VERIFIED, "C-10023", "李雷")
    assert identify(cast, name="李雷雷") == visitor, "the same customer again, on another device"
    visitor.refresh_from_db()
    assert visitor.name == "李雷雷"


def test_identify_moves_the_open_conversation_to_the_customer(cast: Cast, announced: Announced) -> None:
    conversation = start(cast, name="小李")
    say(conversation, "在吗")
    announced.take()
    visitor = identify(cast, conversation.visitor.uuid, name="李雷")

    conversation.refresh_from_db()
    assert conversation.visitor == visitor
    *voided, event = announced.take()
    assert {type(item) for item in voided} == {VisitorTokensVoided}
    assert isinstance(event, ConversationChanged)
    assert (event.row.visitor_name, event.row.level) == ("李雷", "verified")
    say(conversation, "是我")


def test_identify_ends_the_anonymous_visitors_access(cast: Cast) -> None:
    conversation = start(cast)
    before = conversation.visitor
    say(conversation, "在吗")
    assert sessions.message_page(before, conversation.uuid, 0, 10).head == 1
    visitor = identify(cast, before.uuid)
    with pytest.raises(NotFound):
        sessions.message_page(before, conversation.uuid, 0, 10)
    assert sessions.message_page(visitor, conversation.uuid, 0, 10).head == 1


def test_identify_does_not_move_another_customers_conversation(cast: Cast) -> None:
    first = identify(cast, sub="C-1")
    of_first = start_conversation(cast, visitor_uuid=first.uuid)
    second = identify(cast, first.uuid, sub="C-2")

    of_first.refresh_from_db()
    assert of_first.visitor == first
    assert not second.conversations.exists()


def test_identify_does_not_move_an_ended_conversation(cast: Cast) -> None:
    conversation = start(cast)
    visitors.end_by_visitor(visitor=conversation.visitor)
    identify(cast, conversation.visitor.uuid)
    conversation.refresh_from_db()
    assert conversation.visitor.level == Level.ANONYMOUS


def test_identify_keeps_the_customers_open_conversation_and_ends_the_other(
    cast: Cast, announced: Announced
) -> None:
    """Check that an anonymous visitor's conversation ends when the visitor signs in as a customer who has another open
    conversation.

    Otherwise an agent might take a conversation that its visitor has left.
    """
    visitor = identify(cast)
    of_customer = start_conversation(cast, visitor_uuid=visitor.uuid)
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
    assert list(visitor.conversations.all()) == [of_customer]
    assert sessions.session_for(cast.site, visitor).pk == of_customer.pk


def test_identify_puts_an_abandoned_active_conversation_into_wrap_up(cast: Cast) -> None:
    visitor = identify(cast)
    start_conversation(cast, visitor_uuid=visitor.uuid)
    anonymous = start_with(cast, cast.mei)
    identify(cast, anonymous.visitor.uuid)

    anonymous.refresh_from_db()
    assert (anonymous.status, anonymous.agent, anonymous.ended_by) == ("wrap_up", cast.mei, "visitor")


def test_moved_conversation_is_current_although_an_ended_one_is_newer(cast: Cast) -> None:
    anonymous = start(cast)
    visitor = identify(cast)
    newer = start_conversation(cast, visitor_uuid=visitor.uuid)
    visitors.end_by_visitor(visitor=visitor)
    assert newer.pk > anonymous.pk
    identify(cast, anonymous.visitor.uuid)

    assert start_conversation(cast, visitor_uuid=visitor.uuid) == anonymous
    assert sessions.session_for(cast.site, visitor).pk == anonymous.pk
    visitor.refresh_from_db()
    visitor_token = token_for(visitor.uuid, cast.site.key, visitor.token_generation)
    contents = read_token(visitor_token)
    assert contents is not None
    (session,) = sessions.find_session([Hello(cast.site.key, token=visitor_token)])
    assert isinstance(session, sessions.VisitorSession)
    assert session.pk == anonymous.pk
    assert access.conversation_of(visitor) == access.current_conversation_of(cast.site, contents) == anonymous
    visitors.end_by_visitor(visitor=visitor)
    anonymous.refresh_from_db()
    assert anonymous.status == "closed"


def test_sign_in_and_its_end_raise_the_revision_of_each_conversation_that_is_not_closed(
    cast: Cast, announced: Announced
) -> None:
    customer = identify(cast)
    in_wrap_up = start_conversation(cast, visitor_uuid=customer.uuid)
    take_as(staff=cast.mei, uuid=in_wrap_up.uuid)
    agents.end_conversation(staff=cast.mei, uuid=in_wrap_up.uuid)
    is_open = start_conversation(cast, visitor_uuid=customer.uuid)
    announced.take()

    def changed_rows() -> list[tuple[str, int, str, str]]:
        events = [event for event in announced.take() if isinstance(event, ConversationChanged)]
        return [(e.row.id, e.row.revision, e.row.visitor_name, e.row.level) for e in events]

    revisions = {str(it.uuid): current_row(it).revision for it in (in_wrap_up, is_open)}
    identify(cast, name="李雷")
    assert changed_rows() == [
        (uuid, revision + 1, "李雷", "verified") for uuid, revision in revisions.items()
    ]
    identities.log_out(visitor=customer)
    assert changed_rows() == [(uuid, revision + 2, "李雷", "claimed") for uuid, revision in revisions.items()]


def test_new_name_in_the_form_is_shown_in_the_conversation_in_wrap_up(
    cast: Cast, announced: Announced
) -> None:
    ended = start_with(cast, cast.mei)
    agents.end_conversation(staff=cast.mei, uuid=ended.uuid)
    announced.take()
    start(cast, visitor=ended.visitor.uuid, name="韩梅梅")
    rows = {event.row.id: event.row for event in announced.take() if isinstance(event, ConversationChanged)}
    assert rows[str(ended.uuid)].visitor_name == "韩梅梅"


def test_identity_token_is_valid_once(cast: Cast) -> None:
    identity = identity_token(cast)
    identify(cast, identity=identity)
    with pytest.raises(IdentityRefused):
        identify(cast, identity=identity)


def test_token_ids_that_differ_only_at_the_end_are_distinct(cast: Cast) -> None:
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
def test_invalid_identity_token_is_refused(cast: Cast, announced: Announced, claims: dict[str, Any]) -> None:
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
def test_malformed_identity_token_is_refused(cast: Cast, identity: str) -> None:
    with pytest.raises(IdentityRefused):
        identities.identify(site=cast.site, visitor_uuid=uuid4(), identity=identity)


def test_identify_on_a_site_without_a_secret_is_refused(cast: Cast) -> None:
    cast.site.identity_secret = ""
    with pytest.raises(IdentityRefused):
        identify(cast)


def test_unsigned_identity_token_is_refused(cast: Cast) -> None:
    with pytest.raises(IdentityRefused):
        identify(cast, identity=identity_token(cast, secret="", algorithm="none"))


# -- End and rate ----------------------------------------------------------------------------------------------


def test_end_while_waiting_closes_at_once(cast: Cast, announced: Announced) -> None:
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
    assert posted.message.body == "访客已离开队列。"
    assert posted.message.payload == {"code": "left_queue", "to_visitor": "您已离开排队。"}
    assert (changed.was_status, changed.row.status, changed.row.last_seq) == ("waiting", "closed", 1)


def test_end_of_an_active_conversation_puts_it_into_wrap_up(cast: Cast, announced: Announced) -> None:
    conversation = start_with(cast, cast.mei)
    announced.take()
    visitors.end_by_visitor(visitor=conversation.visitor)
    assert announced.kinds() == ["MessagePosted", "ConversationChanged"]
    visitors.end_by_visitor(visitor=conversation.visitor)

    assert announced.take() == [], "twice is harmless"
    conversation.refresh_from_db()
    assert (conversation.status, conversation.agent) == (Status.WRAP_UP, cast.mei)
    assert len(conversation.digest) == 64


def test_end_and_rate_without_a_conversation_are_not_found(cast: Cast) -> None:
    visitor = Visitor.objects.create(site=cast.site)
    with pytest.raises(NotFound):
        visitors.end_by_visitor(visitor=visitor)
    with pytest.raises(NotFound):
        visitors.rate(visitor=visitor, score=5, comment="")


def test_second_rating_replaces_the_first(cast: Cast, announced: Announced) -> None:
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


def test_rate_of_an_open_or_never_assigned_conversation_is_refused(cast: Cast, announced: Announced) -> None:
    talking = start_with(cast, cast.mei)
    left = start(cast)
    visitors.end_by_visitor(visitor=left.visitor)
    announced.take()
    for conversation in (talking, left):
        with pytest.raises(RatingRefused):
            visitors.rate(visitor=conversation.visitor, score=5, comment="")
    assert not Rating.objects.exists()
    assert announced.take() == []


def test_rate_applies_to_the_current_conversation(cast: Cast) -> None:
    first = start_with(cast, cast.mei)
    agents.end_conversation(staff=cast.mei, uuid=first.uuid)
    start(cast, visitor=first.visitor.uuid)
    with pytest.raises(RatingRefused):
        visitors.rate(visitor=first.visitor, score=1, comment="")
