"""Tests of the sockets of visitors and agents in complete server processes, one with Daphne and one with uvicorn.

They guard these invariants of tests/test_invariants.py:

- 2: nothing accepted is lost, doubled or reordered.
- 3: both sides resume after the last message received.
- 5: a note never reaches a visitor.
- 8: frames carry all a screen needs.
- 9: unknown kinds are ignored.
"""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from typing import Any
from urllib.request import urlopen
from uuid import uuid4

import jwt
import pytest
from django.contrib.sessions.models import Session
from websockets.exceptions import ConnectionClosed

from accounts.models import Role, Staff
from accounts.session_queries import SessionStore
from chat.actions import agents
from chat.actions.posts import Post
from chat.models import Conversation, Message
from chat.protocol import AcceptedFrame, AccessRevoked
from chat.protocol.serializers import person_of
from chat.realtime import delivery
from chat.realtime.writer import writer
from chat.widget.tokens import token_for
from tests.conftest import Processes
from tests.harness.servers import AppServer
from tests.harness.sockets import Client, Console, Widget, handshake_status
from tests.people import SITE_KEY, Cast, create_cast, go_online, say, say_many, session_of, start

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def cast(transactional_db: None) -> Cast:
    return create_cast()


@pytest.fixture(params=["daphne", "uvicorn"])
def server(request: pytest.FixtureRequest, processes: Processes) -> AppServer:
    """Return the Daphne process or the uvicorn process, so that each test runs with both servers."""
    app: AppServer = getattr(processes, request.param)
    return app


def conversation_of(widget: Widget) -> Conversation:
    assert widget.conversation
    return Conversation.objects.get(uuid=widget.conversation)


def messages_by_seq(client: Client) -> dict[int, str]:
    """Return a dict from seq to client id, for the messages that arrived in message frames.

    It also checks that no two messages have the same seq.
    """
    client_ids: dict[int, str] = {}
    for frame in client.frames:
        if frame["kind"] == "message":
            message = frame["message"]
            assert client_ids.setdefault(message["seq"], message["client_id"]) == message["client_id"]
    return client_ids


def give_to(staff: Staff, widget: Widget, cast: Cast) -> Conversation:
    go_online(staff)
    return agents.transfer_to_agent(staff=cast.yun, uuid=conversation_of(widget).uuid, to=staff)


# -- A visitor -------------------------------------------------------------------------------------------------


def test_visitor_opens_the_widget_starts_a_conversation_and_posts(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        welcome = widget.open()
        assert (welcome["state"], welcome["messages"]) == (None, [])
        welcome = widget.begin(name="李雷")
        assert (welcome["state"]["status"], welcome["level"], welcome["name"]) == (
            "waiting",
            "claimed",
            "李雷",
        )
        accepted = widget.post("我的卡被吞了")
        widget.frames_until_now()

    message = next(frame for frame in widget.frames if frame["kind"] == "message")
    assert (message["conversation"], message["message"]["body"]) == (widget.conversation, "我的卡被吞了")
    assert message["message"]["seq"] == accepted["seq"] == 1
    assert message["message"]["at"] == accepted["at"]
    assert "row" not in message, "the row for the lists of consoles must not reach a visitor"


def test_frames_before_hello_and_posts_before_start_are_refused(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        widget.send("ping")
        assert widget.wait_for("refused")["code"] == "bad_frame"
        widget.open()
        client_id = widget.send_post("喂")
        assert widget.wait_for("refused") | {"words": ""} == {
            "kind": "refused",
            "code": "not_found",
            "words": "",
            "client_id": client_id,
        }


def test_hello_with_an_unknown_site_is_refused_and_closed(cast: Cast, server: AppServer) -> None:
    for key in ("nobody", "", "qing\x00lan"):
        with Widget(server) as widget:
            widget.send("hello", site=key)
            assert widget.wait_for("refused")["code"] == "not_found"
            assert widget.wait_for("bye")["code"] == "not_found"
            assert widget.wait_for_close() == 4404


def test_refusals_are_in_the_language_of_the_visitor(cast: Cast, server: AppServer) -> None:
    words = {}
    for language in ("zh-CN", "en"):
        with Widget(server) as widget:
            widget.open(language=language)
            widget.send("rate", score=5)
            words[language] = widget.wait_for("refused")["words"]
    assert words["en"].isascii()
    assert not words["zh-CN"].isascii()


def test_unknown_frames_are_ignored_and_invalid_frames_refused(cast: Cast, server: AppServer) -> None:
    """Check that frames of unknown kinds are ignored, while invalid frames of known kinds are refused."""
    with Widget(server) as widget:
        widget.open(new_field={"from": "version 2"})
        widget.begin()
        widget.send("wave", at="everybody")
        widget.post("在吗")
        for bad in ("", "{", "[]", '{"kind": "post"}', '{"kind": "seen", "received": -1, "read": 0}'):
            widget.send_raw(bad)
        widget.send_raw(b"\x00\xff")
        widget.send_raw('{"kind": "ping", "x": "' + "x" * 17_000 + '"}')
        widget.post("还在")
        codes = [frame["code"] for frame in widget.frames_until_now() if frame["kind"] == "refused"]
    # Daphne itself drops the empty message, so it gets no refusal there.
    assert codes in (["bad_frame"] * 5 + ["too_long"], ["bad_frame"] * 6 + ["too_long"])


def test_handshake_is_refused_for_other_origins(cast: Cast, server: AppServer) -> None:
    for path in ("/ws/chat/", "/ws/console/"):
        for origin in (
            "https://evil.example",
            server.url + "0",
            server.url.rsplit(":", 1)[0],
            "http://[",
            "",
            server.url.replace("http", "https"),
            "null",
            None,
        ):
            # Daphne answers 400 to an origin that it cannot parse.
            assert handshake_status(server, path, origin) in (400, 403), (path, origin)
        assert handshake_status(server, path, server.url) == 101
    assert handshake_status(server, "/ws/elsewhere/", server.url) == 403


def test_visitor_resumes_with_the_messages_after_the_last_one(cast: Cast, processes: Processes) -> None:
    """Check that a visitor who reconnects to another process gets exactly the missed messages."""
    with Widget(processes.daphne) as widget:
        widget.open()
        widget.begin()
        for body in "一二三四五":
            widget.post(body)
    with Widget(processes.uvicorn) as again:
        welcome = again.open(like=widget, after=3)
        assert [message["body"] for message in welcome["messages"]] == ["四", "五"]
        assert welcome.get("recovered", True)
        assert welcome["state"]["last_seq"] == 5
        assert again.post("六")["seq"] == 6
    with Widget(processes.daphne) as third:
        assert third.open(like=widget, after=6)["messages"] == []


@pytest.mark.parametrize(("conversation", "after"), [(None, 0), (str(uuid4()), 2), ("own", 99)])
def test_resume_after_an_unknown_position_replaces_what_the_widget_shows(
    cast: Cast, server: AppServer, conversation: str | None, after: int
) -> None:
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        widget.post("一")
    with Widget(server) as again:
        shown = widget.conversation if conversation == "own" else conversation
        again.send("hello", site="qinglan", token=widget.token, conversation=shown, after=after)
        welcome = again.welcomed()
    assert welcome["recovered"] is False
    assert [message["body"] for message in welcome["messages"]] == ["一"]


def test_forged_token_starts_as_a_new_visitor(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        assert widget.token
        for token in ("x", widget.token[:-1] + ("a" if widget.token[-1] != "a" else "b"), "\x00", "é" * 100):
            with Widget(server) as other:
                assert other.open(token=token)["state"] is None


def test_long_conversation_is_fetched_in_pages_and_the_sweep_sends_nothing_twice(
    cast: Cast, server: AppServer
) -> None:
    conversation = start(cast)
    say_many(conversation, 450)
    with Widget(server) as widget:
        widget.token, widget.conversation = token_for(conversation.visitor.uuid, cast.site.key), ""
        welcome = widget.open(like=widget)
        assert welcome["more"] is True
        seqs = [message["seq"] for message in welcome["messages"]]
        while seqs[-1] < welcome["state"]["last_seq"]:
            widget.send("fetch", after=seqs[-1])
            page = widget.wait_for("messages")
            assert page["head"] == 450
            seqs += [message["seq"] for message in page["messages"]]
            assert page["more"] == (seqs[-1] < 450)
        assert seqs == list(range(1, 451))
        assert widget.post("新的")["seq"] == 451
        # When the queue frame arrives, two rounds of the sweep have passed. They must not have sent any message again.
        widget.wait_for("queue")
        assert [
            frame["message"]["seq"] for frame in widget.frames_until_now() if frame["kind"] == "message"
        ] == [451]


def test_pong_carries_the_head_of_the_conversation(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        widget.open()
        widget.send("ping")
        pong = widget.wait_for("pong")
        assert pong["head"] == 0
        assert abs(pong["now"] - time.time() * 1000) < 60_000
        widget.begin()
        widget.post("一")
        widget.send("ping")
        assert widget.wait_for("pong")["head"] == 1
    with Widget(server) as again:
        again.open(like=widget, after=1)
        again.send("ping")
        assert again.wait_for("pong")["head"] == 1


def test_two_tabs_of_a_visitor_receive_the_same_frames(cast: Cast, processes: Processes) -> None:
    with Widget(processes.daphne) as first, Widget(processes.uvicorn) as second:
        first.open()
        first.begin()
        second.open(like=first)
        first.post("左")
        second.wait_for("message", lambda frame: frame["message"]["body"] == "左")
        second.post("右")
        first.wait_for("message", lambda frame: frame["message"]["body"] == "右")
        second.send("end")
        for tab in (first, second):
            # On a busy machine, the sweep may send the waiting state first.
            tab.wait_for("state", lambda frame: frame["state"]["status"] == "closed")


def test_two_processes_assign_seqs_of_one_conversation_without_a_gap(
    cast: Cast, processes: Processes
) -> None:
    """Post from six tabs on two processes at once, and check that each tab receives every message once."""
    with ExitStack() as stack:
        tabs = [
            stack.enter_context(Widget(server))
            for server in (processes.daphne, processes.uvicorn)
            for _ in range(3)
        ]
        tabs[0].open()
        tabs[0].begin()
        for tab in tabs[1:]:
            tab.open(like=tabs[0])
        # Each tab sends twelve posts, as many as the rate limit allows at once.
        ids = [tab.send_post(f"{number}") for number in range(12) for tab in tabs]
        accepted = [tab.wait_for("accepted") for tab in tabs for _ in range(12)]
        assert {frame["client_id"] for frame in accepted} == set(ids)
        assert sorted(frame["seq"] for frame in accepted) == list(range(1, 73))
        stored = conversation_of(tabs[0]).messages.order_by("seq").values_list("seq", "client_id")
        assert [seq for seq, _ in stored] == list(range(1, 73))
        for tab in tabs:
            while len(received := messages_by_seq(tab)) < 72:
                tab.wait_for("message")
            assert received == {seq: str(client_id) for seq, client_id in stored}


def test_posts_above_the_rate_limit_are_refused_with_a_retry(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        ids = [widget.send_post("x") for _ in range(20)]
        frames = [frame for frame in widget.frames_until_now() if frame.get("client_id") in ids]
        assert len([frame for frame in frames if frame["kind"] == "refused"]) >= 5
        assert {frame["code"] for frame in frames if frame["kind"] == "refused"} == {"too_fast"}
        assert all(frame["retry_after_ms"] for frame in frames if frame["kind"] == "refused")


def test_posts_after_one_put_off_are_refused_until_it_is_sent_again(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        ids = [widget.send_post(f"{number}") for number in range(16)]
        frames = [frame for frame in widget.frames_until_now() if frame.get("client_id") in ids]
        refused = [frame["client_id"] for frame in frames if frame["kind"] == "refused"]
        assert refused == ids[-len(refused) :]
        first, last = refused[0], refused[-1]
        stored = 0
        while not stored:
            # After a while, the rate limit allows another post. Then send the last post first: it must not overtake the
            # post that was refused first.
            widget.send_post("15", last)
            widget.send_post(str(ids.index(first)), first)
            widget.listen(0.3)
            answers = [
                frame for frame in widget.frames_until_now()[-8:] if frame.get("client_id") in (first, last)
            ]
            stored = next((frame["seq"] for frame in answers if frame["kind"] == "accepted"), 0)
        bodies = conversation_of(widget).messages.order_by("seq").values_list("body", flat=True)
        assert list(bodies) == [str(number) for number in range(len(ids) - len(refused) + 1)]


def post_until_refused(widget: Widget) -> tuple[list[str], list[str]]:
    """Post faster than the rate limit allows. Return the client ids of the accepted posts and of the refused posts."""
    ids = [widget.send_post("x") for _ in range(16)]
    frames = [frame for frame in widget.frames_until_now() if frame.get("client_id") in ids]
    refused = [frame["client_id"] for frame in frames if frame["kind"] == "refused"]
    while len([frame for frame in widget.frames if frame["kind"] == "accepted"]) < len(ids) - len(refused):
        widget.listen(0.1)
    assert refused
    return ids[: -len(refused)], refused


def test_repeat_of_a_stored_post_is_accepted_while_another_post_is_put_off(
    cast: Cast, server: AppServer
) -> None:
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        accepted, refused = post_until_refused(widget)
        for seq, client_id in enumerate(accepted[:3], start=1):
            assert widget.post("x", client_id)["seq"] == seq
        # A post with a known client id and another body is refused as usual. After this refusal, later posts still must
        # not overtake the post that is to be retried.
        widget.send_post("y", accepted[0])
        assert (
            widget.wait_for("refused", lambda frame: frame["client_id"] == accepted[0])["code"]
            == "client_id_reused"
        )
        widget.send_post("x", refused[-1])
        widget.wait_for("refused", lambda frame: frame["client_id"] == refused[-1])
        assert conversation_of(widget).messages.count() == len(accepted)


def test_post_put_off_but_stored_by_another_socket_does_not_hold_later_posts(
    cast: Cast, server: AppServer
) -> None:
    with Widget(server) as widget, Widget(server) as tab:
        widget.open()
        widget.begin()
        tab.open(like=widget)
        _, refused = post_until_refused(widget)
        for client_id in refused:
            tab.post("x", client_id)
        later = str(uuid4())
        for _ in range(20):
            # The rate limit allows another post after a while.
            widget.send_post("later", later)
            widget.listen(0.3)
            if any(frame["kind"] == "accepted" for frame in widget.frames if frame.get("client_id") == later):
                break
        bodies = conversation_of(widget).messages.order_by("seq").values_list("body", flat=True)
        assert list(bodies) == ["x"] * 16 + ["later"]


def test_empty_or_too_long_texts_are_refused_with_their_code_and_client_id(
    cast: Cast, server: AppServer
) -> None:
    with Widget(server) as widget:
        widget.open()
        widget.send("start", client_id=(started := str(uuid4())), form={"name": "李" * 201})
        assert widget.wait_for("refused") | {"words": ""} == refusal(
            "too_long", started, field="form", limit=200
        )
        widget.begin()
        for long in ("好" * 2001, "好" * 9000, "x" * 60_000):
            widget.send("post", client_id=(client_id := str(uuid4())), body=long)
            refused = widget.wait_for("refused")
            assert "2,000" in refused["words"]
            assert refused | {"words": ""} == refusal("too_long", client_id, field="body", limit=2000)
        for body, code in (("", "empty"), (" \n ", "empty"), (5, "bad_frame"), (None, "bad_frame")):
            widget.send("post", client_id=(client_id := str(uuid4())), body=body)
            assert widget.wait_for("refused") | {"words": ""} == refusal(code, client_id)
        widget.send("post", client_id="none", body="好")
        assert widget.wait_for("refused") | {"words": ""} == refusal("bad_frame")
        widget.send("rate", score=5, comment="好" * 501)
        assert widget.wait_for("refused") | {"words": ""} == refusal("too_long", field="comment", limit=500)
        widget.send("identify", identity="x" * 4097)
        assert widget.wait_for("refused") | {"words": ""} == refusal("too_long", field="identity", limit=4096)
        widget.send("ping", padding="x" * 17_000)
        assert widget.wait_for("refused") | {"words": ""} == refusal("too_long", limit=16_384)
        assert widget.post("好" * 2000)["seq"] == 1


def refusal(code: str, client_id: str = "", **more: Any) -> dict[str, Any]:
    about = {"client_id": client_id} if client_id else {}
    return {"kind": "refused", "code": code, "words": ""} | about | more


def test_hello_with_a_too_long_token_is_refused_in_its_language_and_may_be_repeated(
    cast: Cast, server: AppServer
) -> None:
    with Widget(server) as widget:
        for language, words in (("en", "token"), ("zh", "请缩短")):
            widget.send("hello", site=SITE_KEY, version=1, token="x" * 4097, language=language)
            refused = widget.wait_for("refused")
            assert words in refused["words"]
            assert refused | {"words": ""} == refusal("too_long", field="token", limit=4096)
        widget.open()


def test_hello_with_a_too_long_page_address_is_accepted_and_truncated(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        widget.open(
            page="https://www.bank.example/" + "x" * 5000, device="d" * 50, language="zh-Hans-CN-x-own"
        )
        widget.begin()
        assert len(conversation_of(widget).page) == 300


def test_repeat_of_a_post_is_stored_once_although_another_conversation_has_started(
    cast: Cast, processes: Processes
) -> None:
    with Widget(processes.daphne) as one, Widget(processes.uvicorn) as other:
        one.open()
        one.begin()
        other.open(like=one)
        accepted = one.post("答复丢了")
        one.cut()
        other.send("end")
        other.wait_for("state")
        other.begin()
        other.post("新的一次")
        with Widget(processes.uvicorn) as back:
            back.open(like=one, after=0)
            assert back.conversation == other.conversation
            for named in ({}, {"conversation": one.conversation}):
                back.send("post", client_id=accepted["client_id"], body="答复丢了", **named)
                assert back.wait_for("accepted") == accepted
            back.send("post", client_id=str(uuid4()), body="没有发出", conversation=one.conversation)
            assert back.wait_for("refused")["code"] == "closed"
            back.send("end", conversation=one.conversation)
            assert back.post("还在")["conversation"] == other.conversation
    assert Message.objects.filter(client_id=accepted["client_id"]).count() == 1


def test_slow_reader_that_reads_on_receives_bye_with_the_code_slow(cast: Cast, processes: Processes) -> None:
    conversation = start(cast)
    say_many(conversation, 200, body="很长的话" * 480)
    for server in (processes.daphne, processes.uvicorn):
        before = slow_at(server)
        with Widget(server) as deaf:
            deaf.token, deaf.conversation = token_for(conversation.visitor.uuid, cast.site.key), ""
            deaf.open(like=deaf)
            for _ in range(100):
                deaf.send("fetch", after=0)
            # Read nothing from the socket until the server gives up on it.
            deadline = time.monotonic() + 30
            while slow_at(server) == before:
                assert time.monotonic() < deadline, "the server never gave up on the slow reader"
            assert deaf.wait_for("bye")["code"] == "slow"
            assert deaf.wait_for_close() == 4001


def slow_at(server: AppServer) -> list[str]:
    """Return the line of /metrics that counts sockets closed because of slow reading; an empty list if there was
    none."""
    with urlopen(f"{server.url}/metrics", timeout=20) as answer:
        lines = answer.read().decode().splitlines()
    return [line for line in lines if line.startswith('lianxin_sockets_ended_total{code="slow"}')]


def test_repeated_ratings_are_refused_as_too_fast(cast: Cast, server: AppServer) -> None:
    """Check that ratings are limited, because each one is sent to the consoles."""
    with Widget(server) as widget:
        widget.open()
        widget.begin()
        conversation = give_to(cast.mei, widget, cast)
        agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
        for number in range(20):
            widget.send("rate", score=number % 5 + 1)
        codes = [frame["code"] for frame in widget.frames_until_now() if frame["kind"] == "refused"]
        assert set(codes) == {"too_fast"}
        assert len(codes) >= 5


def test_flood_of_typing_frames_ends_the_socket(cast: Cast, server: AppServer) -> None:
    with Widget(server) as widget:
        widget.open()
        # The server may close the socket before all frames are sent.
        with suppress(ConnectionClosed):
            for _ in range(300):
                widget.send("typing")
        assert widget.wait_for("bye")["code"] == "flood"
        assert widget.wait_for_close() == 4400


def test_concurrent_visitors_never_receive_frames_of_each_other(cast: Cast, processes: Processes) -> None:
    """Check that 125 concurrent visitors receive only their own messages.

    CVE-2020-35681 in Channels was caused by a scope object that several connections shared.
    """

    def visit(number: int) -> set[str]:
        server = (processes.daphne, processes.uvicorn)[number % 2]
        with Widget(server) as widget:
            widget.open()
            widget.begin(name=f"访客{number}")
            widget.post(f"我是{number}")
            widget.frames_until_now()
            with Widget(server) as again:
                again.open(like=widget)
                return {widget.conversation or "", *widget.bodies(), *again.bodies()}

    with ThreadPoolExecutor(16) as threads:
        received = list(threads.map(visit, range(125)))
    assert [len(texts) for texts in received] == [2] * 125
    assert len({text for texts in received for text in texts}) == 250


def test_sign_in_ends_the_other_widgets_of_the_conversation(cast: Cast, processes: Processes) -> None:
    """Check that a sign-in closes other sockets of the conversation.

    The conversation may be open in several tabs of a shared computer. After a customer has signed in, only that
    customer may read it.
    """
    with (
        Widget(processes.daphne) as widget,
        Widget(processes.uvicorn) as elsewhere,
        Widget(processes.daphne) as near,
    ):
        widget.open()
        widget.begin()
        token, conversation = widget.token, widget.conversation
        for other in (elsewhere, near):
            other.open(token=token, conversation=conversation)
        now = int(time.time())
        claims = {"sub": "C-1", "aud": cast.site.key, "iat": now, "exp": now + 60, "jti": str(uuid4())}
        widget.send("identify", identity=jwt.encode(claims, cast.site.identity_secret, algorithm="HS256"))
        assert widget.welcomed()["level"] == "verified"
        for other in (elsewhere, near):
            assert other.wait_for("bye", within=5)["code"] == "superseded"
        widget.post("我的卡号是")
        with Widget(processes.uvicorn) as again:
            assert again.open(token=token, conversation=conversation)["state"] is None
            assert "卡号" not in str(again.frames_until_now())
        assert "bye" not in widget.kinds()


# -- The queue -------------------------------------------------------------------------------------------------


def test_waiting_visitors_receive_their_queue_position(cast: Cast, processes: Processes) -> None:
    with Widget(processes.daphne) as first, Widget(processes.uvicorn) as second:
        for widget in (first, second):
            widget.open()
            widget.begin()
        assert first.wait_for("queue") == {
            "kind": "queue",
            "place": 1,
            "estimate_seconds": None,
            "online": False,
        }
        assert second.wait_for("queue")["place"] == 2
        give_to(cast.mei, first, cast)
        frame = second.wait_for("queue", lambda frame: frame["place"] == 1)
        assert frame["online"] is True
        assert frame["estimate_seconds"] > 0
        assert [frame for frame in first.frames_until_now() if frame["kind"] == "queue"][1:] == []


# -- An agent --------------------------------------------------------------------------------------------------


def test_visitor_and_agent_exchange_frames_across_processes(cast: Cast, processes: Processes) -> None:
    for here, there in ((processes.daphne, processes.uvicorn), (processes.uvicorn, processes.daphne)):
        with Widget(here) as widget, Console(there, session_of(cast.mei)) as console:
            console.open()
            widget.open()
            widget.begin(name="李雷")
            row = console.wait_for("conversation", lambda frame: frame["row"]["id"] == widget.conversation)
            assert (row["listed"], row["row"]["status"], row["row"]["visitor_name"]) == (
                True,
                "waiting",
                "李雷",
            )
            widget.post("在吗")
            row = console.wait_for("conversation", lambda frame: frame["row"]["last_seq"] == 1)
            assert (row["row"]["unread"], row["row"]["excerpt"]) == (1, "在吗")

            give_to(cast.mei, widget, cast)
            state = widget.wait_for("state")["state"]
            assert (state["status"], state["agent"]["number"]) == ("active", "1001")
            page = console.watch(widget.conversation or "")
            assert page["messages"][0]["body"] == "在吗"
            assert page["head"] == 2

            say(conversation_of(widget), "您好", by=cast.mei)
            writer_says(conversation_of(widget), "请讲", cast.mei)
            widget.wait_for("message", lambda frame: frame["message"]["body"] == "请讲")

            console.send("typing", conversation=widget.conversation)
            assert widget.wait_for("is_typing")["name"] == "林梅"
            widget.send("typing")
            assert console.wait_for("is_typing")["role"] == "visitor"
            widget.send("seen", received=4, read=4)
            console.wait_for("conversation", lambda frame: frame["row"]["visitor_read"] == 4)
            console.send("seen", conversation=widget.conversation, received=4, read=1)
            seen = widget.wait_for("was_seen", lambda frame: frame["role"] == "agent")
            assert (seen["received"], seen["read"]) == (4, 1)
            agents.close_conversation(staff=cast.mei, uuid=conversation_of(widget).uuid, code=cast.done)
            assert widget.wait_for("state", lambda frame: frame["state"]["status"] == "closed")
            assert (
                console.wait_for("conversation", lambda frame: frame["row"]["status"] == "closed")["listed"]
                is False
            )


def test_read_mark_of_the_former_conversation_does_not_apply_to_the_new_one(
    cast: Cast, processes: Processes
) -> None:
    """Send a read mark of the former conversation late, when the new conversation has already started."""
    with Widget(processes.daphne) as widget, Console(processes.uvicorn, session_of(cast.mei)) as console:
        widget.open()
        widget.begin()
        former = widget.conversation
        widget.send("end")
        widget.wait_for("state", lambda frame: frame["state"]["status"] != "waiting")
        widget.begin()
        assert widget.conversation != former
        console.open()
        give_to(cast.mei, widget, cast)
        console.watch(widget.conversation or "")
        for body in "您好", "请讲", "我在":
            say(conversation_of(widget), body, by=cast.mei)

        widget.send("seen", conversation=former, received=4, read=4)
        widget.send("seen", conversation=widget.conversation, received=3, read=2)
        row = console.wait_for("conversation", lambda frame: frame["row"]["visitor_received"])["row"]
        assert (row["id"], row["visitor_received"], row["visitor_read"]) == (widget.conversation, 3, 2)


def writer_says(conversation: Conversation, body: str, agent: Staff) -> None:
    """Post an agent's message through the writer of the test process.

    The test process has no sockets, so the server processes learn of the message only by a notification.
    """
    outcome = writer.post(Post(conversation.pk, uuid4(), body, agent=person_of(agent))).result(10)
    assert isinstance(outcome, AcceptedFrame)
    assert writer.stop(10)


def test_a_note_never_reaches_a_visitor(cast: Cast, processes: Processes) -> None:
    """Check that a visitor never receives a note: not live, not after a reconnect and not by fetching."""
    with (
        Widget(processes.daphne) as widget,
        Widget(processes.uvicorn) as tab,
        Console(processes.daphne, session_of(cast.mei)) as console,
        Console(processes.uvicorn, session_of(cast.hao)) as colleague,
    ):
        widget.open()
        widget.begin()
        tab.open(like=widget)
        conversation = give_to(cast.mei, widget, cast)
        console.open()
        colleague.open()
        colleague.watch(widget.conversation or "")
        agents.add_note(staff=cast.mei, uuid=conversation.uuid, body="绝密便条")
        assert console.wait_for("note")["body"] == "绝密便条", "the assigned agent receives the note"
        assert colleague.wait_for("note")["body"] == "绝密便条", "a watching colleague receives the note"
        widget.post("之后")
        tab.wait_for("message", lambda frame: frame["message"]["body"] == "之后")
        widget.send("fetch", after=0)
        widget.wait_for("messages")
        with Widget(processes.daphne) as again:
            again.open(like=widget)
            frames = widget.frames_until_now() + tab.frames_until_now() + again.frames_until_now()
    assert "绝密" not in str(frames)
    assert "note" not in {frame["kind"] for frame in frames}


def test_console_without_a_session_or_the_right_is_closed(cast: Cast, server: AppServer) -> None:
    for session in ("", "x" * 32, session_of(cast.wen), session_of(cast.an)):
        with Console(server, session) as console:
            assert console.wait_for("bye")["code"] == "access_revoked"
            assert console.wait_for_close() == 4403


def test_console_refusals_are_in_the_language_of_the_agent(cast: Cast, server: AppServer) -> None:
    words = {}
    for language in ("en", "zh-hans", "xx", "../x"):
        with Console(server, session_of(cast.mei), language=language) as console:
            console.send("watch", conversation=str(uuid4()))
            words[language] = console.wait_for("refused")["words"]
    assert words["en"].isascii()
    assert words["zh-hans"] == words["xx"] == words["../x"]
    assert not words["xx"].isascii()


def test_console_receives_nothing_about_another_department(cast: Cast, processes: Processes) -> None:
    with Widget(processes.daphne) as widget, Console(processes.uvicorn, session_of(cast.jun)) as console:
        console.open()
        widget.open()
        widget.begin()
        for kind in ("watch", "typing", "seen", "fetch"):
            console.send(kind, conversation=widget.conversation, after=0, received=1, read=1)
            assert console.wait_for("refused")["code"] == "not_found"
        widget.post("我的账号是")
        with Console(processes.uvicorn, session_of(cast.mei)) as colleague:
            assert colleague.open()["rows"][0]["excerpt"] == "我的账号是"
        assert "账号" not in str(console.frames_until_now())
        assert "conversation" not in console.kinds()


def test_only_the_assigned_agent_is_shown_as_typing(cast: Cast, server: AppServer) -> None:
    with (
        Widget(server) as widget,
        Console(server, session_of(cast.mei)) as mei,
        Console(server, session_of(cast.hao)) as hao,
        Console(server, session_of(cast.yun)) as yun,
    ):
        widget.open()
        widget.begin()
        for console in (mei, hao, yun):
            console.open()
            console.watch(widget.conversation or "")
        # The visitor does not see this typing, because the conversation is not assigned yet.
        mei.send("typing", conversation=widget.conversation)
        mei.frames_until_now()
        give_to(cast.mei, widget, cast)
        for console in (hao, yun, mei):
            console.send("typing", conversation=widget.conversation)
            console.frames_until_now()
        widget.wait_for("is_typing")
        assert [frame["name"] for frame in widget.frames_until_now() if frame["kind"] == "is_typing"] == [
            "林梅"
        ]


def test_watcher_without_the_right_stops_receiving_a_transferred_conversation(
    cast: Cast, processes: Processes
) -> None:
    """Check that a colleague who watches a conversation stops receiving its messages within five seconds of a transfer.

    The transfer to another department ends the colleague's right to follow the conversation.
    """
    with Widget(processes.daphne) as widget, Console(processes.uvicorn, session_of(cast.hao)) as console:
        widget.open()
        widget.begin()
        console.open()
        console.watch(widget.conversation or "")
        agents.transfer_to_department(staff=cast.yun, uuid=conversation_of(widget).uuid, to=cast.loans)
        assert console.wait_for("conversation", lambda frame: frame["row"]["department"] == cast.loans.pk)
        for _ in range(25):
            console.send("ping")
            if widget.conversation not in console.wait_for("pong")["heads"]:
                break
            console.listen(0.2)
        else:
            pytest.fail("still watched after five seconds")
        widget.post("房贷的事")
        give_to(cast.jun, widget, cast)
        assert "房贷" not in str(console.frames_until_now())


def test_console_is_closed_within_five_seconds_of_losing_a_right(cast: Cast, processes: Processes) -> None:
    """Check that consoles close after every change that ends a right of the staff member.

    These changes are a sign-out, a deactivated account, a new password, another role and a removed department.
    """
    people = {"mei": cast.mei, "hao": cast.hao, "jun": cast.jun, "yun": cast.yun}
    extra = Staff.objects.create(username="lin", name="林", number="1003", role=Role.AGENT)
    extra.departments.set([cast.cards, cast.loans])
    stays = session_of(cast.yun)
    with ExitStack() as stack:

        def console(staff: Staff, key: str = "") -> Console:
            return stack.enter_context(Console(processes.daphne, key or session_of(staff)))

        key = session_of(cast.mei)
        signed_out, other_screen = console(cast.mei, key), console(cast.mei)
        deactivated, new_password, fewer_departments = console(cast.hao), console(cast.jun), console(extra)
        supervisor = console(cast.yun, stays)
        ending = [signed_out, deactivated, new_password, fewer_departments]
        for screen in (*ending, other_screen, supervisor):
            screen.open()
        Session.objects.get(session_key=key).delete()
        Staff.objects.filter(pk=people["hao"].pk).update(is_active=False)
        people["jun"].set_password("another one, long enough")
        people["jun"].save(update_fields=["password"])
        extra.departments.remove(cast.loans)
        for screen in ending:
            assert screen.wait_for("bye", within=5)["code"] == "access_revoked"
            assert screen.wait_for_close() == 4403
        Staff.objects.filter(pk=cast.yun.pk).update(role=Role.AGENT)
        # A new tab of the same session has the new rights. The server must still notice that the old tab has outdated
        # rights.
        tab = console(cast.yun, stays)
        tab.open()
        assert supervisor.wait_for("bye", within=5)["code"] == "access_revoked"
        for screen in (other_screen, tab):
            screen.frames_until_now()


def test_sign_out_closes_the_consoles_of_the_session_on_every_process_at_once(
    cast: Cast, processes: Processes
) -> None:
    key, other = session_of(cast.mei), session_of(cast.mei)
    with (
        Console(processes.daphne, key) as one,
        Console(processes.uvicorn, key) as two,
        Console(processes.uvicorn, other) as stays,
    ):
        for console in (one, two, stays):
            console.open()
        count_before = {console: len(console.frames) for console in (one, two)}
        # This ends the session in the same way as `logout`. The console then closes so soon that the sweep cannot be
        # the cause.
        SessionStore(key).flush()
        for console in (one, two):
            assert console.wait_for_close() == 4403
            assert [frame["kind"] for frame in console.frames[count_before[console] :]] == ["bye"]
        stays.frames_until_now()


def test_former_agent_receives_nothing_after_a_transfer_to_another_department(
    cast: Cast, processes: Processes
) -> None:
    with Widget(processes.daphne) as widget, Console(processes.uvicorn, session_of(cast.mei)) as mei:
        widget.open()
        widget.begin()
        mei.open()
        conversation = give_to(cast.mei, widget, cast)
        mei.watch(widget.conversation or "")
        agents.transfer_to_department(staff=cast.mei, uuid=conversation.uuid, to=cast.loans)
        mei.wait_for("conversation", lambda frame: frame["row"]["department"] == cast.loans.pk)
        widget.post("房贷的事")
        give_to(cast.jun, widget, cast)
        assert "房贷" not in str(mei.frames_until_now())
        # The former agent may still read the old messages, but does not receive new ones, even after opening the
        # conversation again.
        mei.watch(widget.conversation or "")
        widget.post("还有一件")
        mei.send("ping")
        assert mei.wait_for("pong")["heads"] == {}
        assert "还有一件" not in str(mei.frames)
        # When the conversation comes back, the console still shows it and sends no request. The server must subscribe
        # the console again by itself.
        agents.transfer_to_department(staff=cast.jun, uuid=conversation.uuid, to=cast.cards)
        head = mei.wait_for("messages", lambda frame: not frame["messages"])["head"]
        widget.post("又回来了")
        assert mei.wait_for("message")["message"]["seq"] == head + 1


def test_access_revoked_closes_the_console_on_another_process_at_once(
    cast: Cast, processes: Processes
) -> None:
    with (
        Console(processes.daphne, session_of(cast.mei)) as mei,
        Console(processes.uvicorn, session_of(cast.hao)) as hao,
    ):
        mei.open()
        hao.open()
        delivery.announce([AccessRevoked(cast.mei.pk)])
        assert mei.wait_for_close() == 4403
        hao.frames_until_now()
