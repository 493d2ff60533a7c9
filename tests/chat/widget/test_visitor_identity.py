"""How long a proof of identity lasts: nonce, token generation, age of "verified". Issue 9, line 8."""

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
from tests.harness.sockets import Box
from tests.people import IDENTITY_SECRET, SITE_KEY, Cast, create_cast, session_of, start, start_with

LONG_AGO = timedelta(minutes=31)


def identity_token(*, sub: str = "C-1", **claims: Any) -> str:
    now = int(time.time())
    body = {"sub": sub, "aud": SITE_KEY, "iat": now, "exp": now + 60, "jti": str(uuid4()), **claims}
    return jwt.encode(body, IDENTITY_SECRET, algorithm="HS256")


def identify(cast: Cast, uuid: UUID, **claims: Any) -> Visitor:
    return identities.identify(site=cast.site, visitor_uuid=uuid, identity=identity_token(**claims))


def found_by(cast: Cast, token: str) -> sessions.VisitorSession:
    (found,) = sessions.find_session([Hello(cast.site.key, token=token)])
    assert isinstance(found, sessions.VisitorSession)
    return found


def token_now(visitor: Visitor) -> str:
    visitor.refresh_from_db()
    return token_for(visitor.uuid, SITE_KEY, visitor.token_generation)


# -- The nonce -----------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.both_databases
def test_identity_token_is_good_only_with_the_nonce_of_this_browser(cast: Cast) -> None:
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
def test_wrong_nonce_is_refused_even_where_the_site_asks_for_none(cast: Cast) -> None:
    with pytest.raises(IdentityRefused):
        identify(cast, uuid4(), nonce="of another browser")
    assert identify(cast, uuid4()).level == Level.VERIFIED


@pytest.mark.django_db
def test_audience_must_be_this_site_alone(cast: Cast) -> None:
    with pytest.raises(IdentityRefused):
        identify(cast, uuid4(), aud=[SITE_KEY, "another"])


# -- Void tokens ---------------------------------------------------------------------------------------------


@pytest.mark.django_db
@pytest.mark.both_databases
def test_sign_in_makes_the_earlier_tokens_of_both_visitors_void(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    anonymous = conversation.visitor
    before = token_now(anonymous)
    announced.take()
    customer = identify(cast, anonymous.uuid)
    first = token_now(customer)
    identify(cast, customer.uuid)

    assert found_by(cast, before).visitor is None
    assert found_by(cast, before).visitor_uuid != anonymous.uuid
    assert found_by(cast, first).visitor is None
    assert found_by(cast, token_now(customer)).visitor == customer
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
    token = token_now(customer)
    identities.log_out(visitor=customer)

    conversation.refresh_from_db()
    assert conversation.status == "waiting"
    assert found_by(cast, token).visitor is None
    customer.refresh_from_db()
    assert customer.level == Level.CLAIMED, "nobody is there whom the bank's site has signed in"


@pytest.mark.django_db
@pytest.mark.both_databases
def test_logout_of_an_anonymous_visitor_ends_what_nobody_could_find_again(cast: Cast) -> None:
    conversation = start(cast)
    token = token_now(conversation.visitor)
    identities.log_out(visitor=conversation.visitor)
    conversation.refresh_from_db()
    assert conversation.status == "closed"
    with pytest.raises(NotFound):
        access.visitor_by_token(token)


@pytest.mark.django_db
def test_no_address_takes_a_void_token(cast: Cast, client: Client) -> None:
    """Every path over HTTP on which the token alone is proof: transcript, files, suggested answers and their rating."""
    conversation = start(cast)
    customer = identify(cast, conversation.visitor.uuid)
    void = token_now(customer)
    headers = {"authorization": f"Bearer {void}", "origin": "http://testserver"}
    asked = {"text": "卡", "token": void}
    judged = {"token": void, "source": "point/1/1", "is_helpful": True}
    assert client.get("/chat/transcript", headers=headers).status_code == 200
    identities.log_out(visitor=customer)

    assert client.get("/chat/transcript", headers=headers).status_code == 404
    assert client.post("/chat/attachments", headers=headers).status_code == 404
    assert client.get(f"/chat/attachments/{uuid4()}", headers=headers).status_code == 404
    path, kind = f"/widget/{SITE_KEY}/answers", "application/json"
    answer = client.post(f"{path}/judge", judged, content_type=kind, headers=headers)
    assert answer.status_code == 404
    assert client.post(path, asked, content_type=kind, headers=headers).status_code == 200
    read = read_token(void)
    assert read is not None
    assert access.current_conversation_of(cast.site, read) is None


@pytest.mark.django_db
def test_token_of_a_customer_is_void_half_a_day_after_the_sign_in(cast: Cast) -> None:
    customer = identify(cast, uuid4())
    token = token_now(customer)
    Visitor.objects.update(verified_at=timezone.now() - timedelta(hours=12, seconds=5))
    assert found_by(cast, token).visitor is None


@pytest.mark.django_db(transaction=True)
def test_sockets_with_a_void_token_end_in_every_process(processes: Processes) -> None:
    create_cast()
    with Box(processes.daphne) as first, Box(processes.uvicorn) as second, Box(processes.daphne) as idle:
        first.open()
        first.say("identify", identity=identity_token())
        first.welcomed()
        first.begin()
        for other in (second, idle):
            other.open(token=first.token)
        stolen = first.token
        second.say("identify", identity=identity_token())
        assert second.welcomed()["token"] != stolen
        for other in (first, idle):
            assert other.hear("bye", within=5)["code"] == "superseded"
            assert other.hear_close() == 4002
        with Box(processes.daphne) as thief:
            assert thief.open(token=stolen)["state"] is None
        second.say("logout")
        assert second.hear("bye", within=5)["code"] == "superseded"
        with Box(processes.daphne) as late:
            assert late.open(token=second.token)["state"] is None


# -- The age of "verified" -----------------------------------------------------------------------------------


def grow_old(visitor: Visitor) -> None:
    Visitor.objects.filter(pk=visitor.pk).update(verified_at=timezone.now() - LONG_AGO)


@pytest.mark.django_db
@pytest.mark.both_databases
def test_verified_lapses_and_a_sign_in_renews_it(cast: Cast, announced: Announced) -> None:
    conversation = start(cast)
    customer = identify(cast, conversation.visitor.uuid, name="李雷")
    assert identities.lapse_identities() == 0
    grow_old(customer)
    announced.take()
    assert found_by(cast, token_now(customer)).visitor.level_now() == Level.CLAIMED  # type: ignore[union-attr]
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
def test_customer_whose_mark_has_lapsed_is_still_nobody_elses(cast: Cast) -> None:
    """Neither the next customer on this computer nor the form's name takes their conversation over."""
    first = identify(cast, uuid4(), sub="C-1", name="李雷")
    theirs = start(cast, visitor=first.uuid)
    grow_old(first)
    identities.lapse_identities()
    visitors.end_by_visitor(visitor=first)
    renamed = start(cast, visitor=first.uuid, name="行长")
    assert renamed.visitor.name == "李雷"
    second = identify(cast, first.uuid, sub="C-2")
    renamed.refresh_from_db()
    assert (theirs.visitor, renamed.visitor) == (first, first)
    assert not second.conversations.exists()


@pytest.mark.django_db
def test_welcome_says_how_long_verified_holds(cast: Cast) -> None:
    conversation = start(cast)
    customer = identify(cast, conversation.visitor.uuid)
    ((welcome, _),) = sessions.welcome_frames([sessions.ResumedSession(found_by(cast, token_now(customer)))])
    assert (welcome.level, welcome.verified_seconds > 1700) == ("verified", True)
    grow_old(customer)
    ((welcome, _),) = sessions.welcome_frames([sessions.ResumedSession(found_by(cast, token_now(customer)))])
    assert (welcome.level, welcome.verified_seconds) == ("claimed", 0)


@pytest.mark.django_db
def test_card_record_transcript_and_list_say_when_identity_was_verified(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    customer = identify(cast, conversation.visitor.uuid, name="李雷")
    moment = timezone.localtime(customer.verified_at)

    def page(staff: Any, path: str) -> str:
        browser = Client()
        browser.cookies["sessionid"] = session_of(staff)
        browser.cookies["django_language"] = "en"
        return browser.get(path).content.decode()

    card = f"/console/conversations/{conversation.uuid}/card"
    assert f"confirmed who this is at {moment:%H:%M}" in page(cast.mei, card)
    grow_old(customer)
    shown = page(cast.mei, card)
    assert f"Was verified at {moment:%Y-%m-%d %H:%M}" in shown
    assert "<strong>Verified</strong>" not in shown

    record = page(cast.wen, f"/admin/chat/conversation/{conversation.pk}/change/")
    assert f"{moment:%Y-%m-%d %H:%M:%S}" in record
    assert "claimed" in record
    assert f"{moment:%Y-%m-%d %H:%M:%S}" in transcript_of(Conversation.objects.get(pk=conversation.pk))
    assert "(claimed)" in page(cast.wen, "/admin/chat/conversation/")


@pytest.mark.django_db
def test_hellos_take_two_queries_with_tokens_of_any_generation(cast: Cast) -> None:
    tokens = [token_now(start(cast).visitor) for _ in range(3)]
    with CaptureQueriesContext(connection) as queries:
        sessions.find_session([Hello(cast.site.key, token=token) for token in tokens])
    assert len(queries) == 2
