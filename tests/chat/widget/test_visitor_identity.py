"""Tests of the validity of a visitor's identity: nonces, token generations and the end of the level "verified"."""

from __future__ import annotations

import time
from datetime import timedelta
from typing import Any
from uuid import UUID, uuid4

import jwt
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from chat import access
from chat.actions import identities, visitors
from chat.archive.transcript import transcript_of
from chat.errors import IdentityRefused, NotFound
from chat.models import Conversation, Level, Visitor
from chat.protocol import ConversationChanged, Hello, VisitorTokensVoided
from chat.widget import sessions
from chat.widget.tokens import nonce_for, read_token, token_for
from tests.conftest import Announced, Processes
from tests.harness.sockets import Widget
from tests.people import IDENTITY_SECRET, SITE_KEY, Cast, create_cast, session_of, start, start_with

LONG_AGO = timedelta(minutes=31)


def identity_token(*, sub: str = "C-1", **claims: Any) -> str:
    now = int(time.time())
    body = {"sub": sub, "aud": SITE_KEY, "iat": now, "exp": now + 60, "jti": str(uuid4()), **claims}
    return jwt.encode(body, IDENTITY_SECRET, algorithm="HS256")


def identify(cast: Cast, uuid: UUID, **claims: Any) -> Visitor:
    return identities.identify(site=cast.site, visitor_uuid=uuid, identity=identity_token(**claims))


def session_of_token(cast: Cast, token: str) -> sessions.VisitorSession:
    (session,) = sessions.find_session([Hello(cast.site.key, token=token)])
    assert isinstance(session, sessions.VisitorSession)
    return session


def current_token(visitor: Visitor) -> str:
    """Return the visitor token that a welcome frame would contain now. It has the visitor's current token
    generation."""
    visitor.refresh_from_db()
    return token_for(visitor.uuid, SITE_KEY, visitor.token_generation)


# -- The nonce -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.both_databases
def test_identity_token_without_the_nonce_of_the_browser_is_refused(cast: Cast) -> None:
    cast.site.requires_nonce = True
    mine, other = uuid4(), uuid4()
    for nonce in ("", "x", nonce_for(other, SITE_KEY, 0), nonce_for(mine, "another", 0), None, 7):
        with pytest.raises(IdentityRefused):
            identify(cast, mine, nonce=nonce)
    with pytest.raises(IdentityRefused):
        identify(cast, mine)
    visitor = identify(cast, mine, nonce=nonce_for(mine, SITE_KEY, 0))
    assert visitor.level == Level.VERIFIED


@pytest.mark.django_db
def test_nonce_of_a_former_sign_in_is_refused(cast: Cast) -> None:
    cast.site.requires_nonce = True
    uuid = uuid4()
    visitor = identify(cast, uuid, nonce=nonce_for(uuid, SITE_KEY, 0))
    old, new = (nonce_for(visitor.uuid, SITE_KEY, visitor.token_generation + step) for step in (-1, 0))
    generation = visitor.token_generation
    with pytest.raises(IdentityRefused):
        identities.identify(
            site=cast.site,
            visitor_uuid=visitor.uuid,
            generation=generation,
            identity=identity_token(nonce=old),
        )
    again = identities.identify(
        site=cast.site,
        visitor_uuid=visitor.uuid,
        generation=generation,
        identity=identity_token(nonce=new),
    )
    assert again == visitor


@pytest.mark.django_db
def test_wrong_nonce_is_refused_even_if_the_site_requires_none(cast: Cast) -> None:
    with pytest.raises(IdentityRefused):
        identify(cast, uuid4(), nonce="of another browser")
    assert identify(cast, uuid4()).level == Level.VERIFIED


@pytest.mark.django_db
def test_identity_token_for_several_audiences_is_refused(cast: Cast) -> None:
    with pytest.raises(IdentityRefused):
        identify(cast, uuid4(), aud=[SITE_KEY, "another"])


# -- Void tokens ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.both_databases
def test_sign_in_voids_the_earlier_tokens_of_both_visitors(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    anonymous = conversation.visitor
    before = current_token(anonymous)
    announced.take()
    customer = identify(cast, anonymous.uuid)
    first = current_token(customer)
    identify(cast, customer.uuid)

    assert session_of_token(cast, before).visitor is None
    assert session_of_token(cast, before).visitor_uuid != anonymous.uuid
    assert session_of_token(cast, first).visitor is None
    assert session_of_token(cast, current_token(customer)).visitor == customer
    voided = [event for event in announced.take() if isinstance(event, VisitorTokensVoided)]
    assert [(event.visitor, event.generation) for event in voided] == [
        (customer.pk, 1),
        (anonymous.pk, 1),
        (customer.pk, 2),
    ]


@pytest.mark.django_db
@pytest.mark.both_databases
def test_logout_of_a_customer_voids_the_token_and_keeps_the_conversation(cast: Cast) -> None:
    conversation = start(cast)
    customer = identify(cast, conversation.visitor.uuid)
    token = current_token(customer)
    identities.log_out(visitor=customer)

    conversation.refresh_from_db()
    assert conversation.status == "waiting"
    assert session_of_token(cast, token).visitor is None
    customer.refresh_from_db()
    assert customer.level == Level.CLAIMED, "the customer is no longer signed in on the bank's site"


@pytest.mark.django_db
@pytest.mark.both_databases
def test_logout_of_an_anonymous_visitor_closes_the_conversation(cast: Cast) -> None:
    conversation = start(cast)
    token = current_token(conversation.visitor)
    identities.log_out(visitor=conversation.visitor)
    conversation.refresh_from_db()
    assert conversation.status == "closed"
    with pytest.raises(NotFound):
        access.visitor_by_token(token)


@pytest.mark.django_db
def test_http_endpoints_refuse_a_void_token(cast: Cast, client: Client) -> None:
    """Check every endpoint that only a visitor token protects: transcript, files, suggested answers, and the feedback
    on these answers."""
    conversation = start(cast)
    customer = identify(cast, conversation.visitor.uuid)
    void = current_token(customer)
    headers = {"authorization": f"Bearer {void}", "origin": "http://testserver"}
    suggestion_request = {"text": "卡", "token": void}
    feedback = {"token": void, "source": "point/1/1", "is_helpful": True}
    assert client.get("/chat/transcript", headers=headers).status_code == 200
    identities.log_out(visitor=customer)

    assert client.get("/chat/transcript", headers=headers).status_code == 404
    assert client.post("/chat/attachments", headers=headers).status_code == 404
    assert client.get(f"/chat/attachments/{uuid4()}", headers=headers).status_code == 404
    path, kind = f"/widget/{SITE_KEY}/answers", "application/json"
    response = client.post(f"{path}/judge", feedback, content_type=kind, headers=headers)
    assert response.status_code == 404
    assert client.post(path, suggestion_request, content_type=kind, headers=headers).status_code == 200
    token = read_token(void)
    assert token is not None
    assert access.current_conversation_of(cast.site, token) is None


@pytest.mark.django_db
def test_customers_token_is_void_twelve_hours_after_the_sign_in(cast: Cast) -> None:
    customer = identify(cast, uuid4())
    token = current_token(customer)
    Visitor.objects.update(verified_at=timezone.now() - timedelta(hours=12, seconds=5))
    assert session_of_token(cast, token).visitor is None


@pytest.mark.django_db(transaction=True)
def test_sockets_with_a_void_token_are_closed_in_every_process(processes: Processes) -> None:
    create_cast()
    with (
        Widget(processes.daphne) as first,
        Widget(processes.uvicorn) as second,
        Widget(processes.daphne) as idle,
    ):
        first.open()
        first.send("identify", identity=identity_token())
        first.welcomed()
        first.begin()
        for other in (second, idle):
            other.open(token=first.token)
        stolen = first.token
        second.send("identify", identity=identity_token())
        assert second.welcomed()["token"] != stolen
        for other in (first, idle):
            assert other.wait_for("bye", within=5)["code"] == "superseded"
            assert other.wait_for_close() == 4002
        with Widget(processes.daphne) as thief:
            assert thief.open(token=stolen)["state"] is None
        second.send("logout")
        assert second.wait_for("bye", within=5)["code"] == "superseded"
        with Widget(processes.daphne) as late:
            assert late.open(token=second.token)["state"] is None


# -- The age of "verified" -----------------------------------------------------------------------------------


def backdate_verification(visitor: Visitor) -> None:
    Visitor.objects.filter(pk=visitor.pk).update(verified_at=timezone.now() - LONG_AGO)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_verified_level_lapses_and_a_sign_in_renews_it(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    customer = identify(cast, conversation.visitor.uuid, name="李雷")
    assert identities.lapse_identities() == 0
    backdate_verification(customer)
    announced.take()
    assert session_of_token(cast, current_token(customer)).visitor.level_now() == Level.CLAIMED  # type: ignore[union-attr]
    assert identities.lapse_identities() == 1
    (event,) = announced.take()
    assert isinstance(event, ConversationChanged)
    assert (event.row.id, event.row.level) == (str(conversation.uuid), "claimed")

    identify(cast, customer.uuid)
    event = announced.take()[-1]
    assert isinstance(event, ConversationChanged)
    assert event.row.level == "verified"


@pytest.mark.django_db
@pytest.mark.both_databases
def test_customer_whose_verified_level_lapsed_keeps_their_conversations(cast: Cast) -> None:
    """Check that a customer's conversations stay theirs after the verification has expired.

    Neither the next customer on the same computer nor a visitor who types a name into the form takes them over.
    """
    first = identify(cast, uuid4(), sub="C-1", name="李雷")
    theirs = start(cast, visitor=first.uuid)
    backdate_verification(first)
    identities.lapse_identities()
    visitors.end_by_visitor(visitor=first)
    renamed = start(cast, visitor=first.uuid, name="行长")
    assert renamed.visitor.name == "李雷"
    second = identify(cast, first.uuid, sub="C-2")
    renamed.refresh_from_db()
    assert (theirs.visitor, renamed.visitor) == (first, first)
    assert not second.conversations.exists()


@pytest.mark.django_db
def test_welcome_carries_the_remaining_seconds_of_the_verified_level(cast: Cast) -> None:
    conversation = start(cast)
    customer = identify(cast, conversation.visitor.uuid)
    ((welcome, _),) = sessions.welcome_frames(
        [sessions.ResumedSession(session_of_token(cast, current_token(customer)))]
    )
    assert (welcome.level, welcome.verified_seconds > 1700) == ("verified", True)
    backdate_verification(customer)
    ((welcome, _),) = sessions.welcome_frames(
        [sessions.ResumedSession(session_of_token(cast, current_token(customer)))]
    )
    assert (welcome.level, welcome.verified_seconds) == ("claimed", 0)


@pytest.mark.django_db
def test_card_record_transcript_and_list_show_when_identity_was_verified(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    customer = identify(cast, conversation.visitor.uuid, name="李雷")
    moment = timezone.localtime(customer.verified_at)

    def page(staff: Any, path: str) -> str:
        browser = Client()
        browser.cookies["sessionid"] = session_of(staff)
        browser.cookies["django_language"] = "en"
        return browser.get(path).content.decode()

    card = f"/console/conversations/{conversation.uuid}/card"
    assert f"confirmed this customer's identity at {moment:%H:%M}" in page(cast.mei, card)
    backdate_verification(customer)
    shown = page(cast.mei, card)
    assert f"Was verified at {moment:%Y-%m-%d %H:%M}" in shown
    assert "<strong>Verified</strong>" not in shown

    record = page(cast.wen, f"/admin/chat/conversation/{conversation.pk}/change/")
    assert f"{moment:%Y-%m-%d %H:%M:%S}" in record
    assert "name not verified" in record
    assert f"{moment:%Y-%m-%d %H:%M:%S}" in transcript_of(Conversation.objects.get(pk=conversation.pk))
    assert "(name not verified)" in page(cast.wen, "/admin/chat/conversation/")


@pytest.mark.django_db
def test_find_session_takes_two_queries_for_any_number_of_hellos(cast: Cast) -> None:
    tokens = [current_token(start(cast).visitor) for _ in range(3)]
    with CaptureQueriesContext(connection) as queries:
        sessions.find_session([Hello(cast.site.key, token=token) for token in tokens])
    assert len(queries) == 2
