"""Planted bugs: errors put into a real server on purpose, which the checker must find.

The first half of this module is for the checker: each bug, and the rules that may find it. The second half runs inside
the server; fault_injection.py installs it.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any
from uuid import uuid4


@dataclass(frozen=True)
class Bug:
    """A planted bug. It counts as found if one of `rules` reports it.

    Some bugs take effect only during the fault named `fault`. `accepted_share` and `late_share` are the shares of
    offers that agents accept in time and too late. The trial of a bug with an `accepted_share` has enough visitors of
    the departments with a router to fill all agents.
    """

    name: str
    description: str
    rules: tuple[str, ...]
    fault: str = ""
    accepted_share: float | None = None
    late_share: float = 0.0
    # Left out of short runs.
    is_slow: bool = False


BUGS = (
    Bug("skips_one", "a message is never delivered by route, sweep, fetch or resume", ("screen_is_whole",)),
    Bug("shows_twice", "a message is delivered again under the next seq", ("screen_is_stored",)),
    Bug("stores_twice", "a message is stored under two client_ids", ("nobody_sent_it",)),
    Bug("swaps_two", "two messages are swapped during delivery", ("screen_is_stored",)),
    Bug("reorders", "posts are stored in another order than they were sent", ("order_of_sends",)),
    Bug("overtakes", "a later post is stored while an earlier one was put off", ("order_of_sends",)),
    Bug("loses_accepted", "a message is accepted but never stored", ("acked_is_stored",)),
    Bug("alters", "the stored text differs from the one sent", ("stored_as_sent",)),
    Bug("answers_early", "a post is accepted before the commit", ("ack_after_commit",)),
    Bug("refuses_stored", "a stored message is refused for good", ("refused_is_absent",)),
    Bug(
        "forgets_ids",
        "a client_id is forgotten when another conversation starts",
        ("stored_once", "refused_is_absent"),
        "another_begins",
    ),
    Bug("leaves_a_gap", "a seq is skipped", ("seq_is_dense",)),
    Bug("leaks_a_note", "a note is sent to the visitor", ("note_stays_inside",)),
    Bug("leaks_to_another", "a message is also sent to another visitor", ("own_conversation_only",)),
    Bug("marks_go_back", "read marks go back", ("marks_never_go_back",)),
    Bug("keeps_the_revision", "a change does not raise the revision", ("one_row_per_revision",)),
    Bug(
        "two_agents", "two agents are told that they have the same conversation", ("one_agent",), "two_agents"
    ),
    Bug(
        "keeps_the_disabled",
        "a disabled account still receives frames",
        ("disabled_hears_nothing",),
        "disabled",
    ),
    Bug(
        "routes_the_taken",
        "the router gives a conversation that an agent has taken meanwhile to another one",
        ("agent_comes_from_the_queue",),
        accepted_share=0.6,
    ),
    Bug(
        "forgets_offers",
        "the offers of a killed router are never withdrawn",
        ("nobody_waits_in_vain",),
        "router_kill_before_announcing",
        accepted_share=0.0,
        is_slow=True,
    ),
    Bug(
        "keeps_the_lease",
        "no other process takes the lease of a killed router",
        ("nobody_waits_in_vain",),
        "router_kill",
        accepted_share=0.6,
        is_slow=True,
    ),
    Bug(
        "accepts_ended",
        "an agent accepts an offer that has ended, although a colleague has the conversation",
        ("offer_is_accepted_once",),
        accepted_share=0.3,
        late_share=0.3,
    ),
    Bug(
        "confirms_ended",
        "an agent is told to have accepted an offer that has ended",
        ("offer_is_accepted_once",),
        accepted_share=0.3,
        late_share=0.3,
    ),
    Bug(
        "ignores_capacity",
        "the router gives agents more conversations than they have room for",
        ("capacity_is_kept",),
        accepted_share=0.6,
    ),
)


# -- In the server ---------------------------------------------------------------------------------------------

EVERY_NTH = 3


class PlantedBug:
    """The planted bug of this process, if any."""

    def __init__(self) -> None:
        self.name = ""
        # The number of times that the bug has taken effect.
        self.effects = 0
        self._calls = 0
        self._answers: dict[Any, Callable[[Any], None]] = {}
        self._held: dict[int, Any] = {}
        self._put_off: set[Any] = set()
        self._round = threading.local()
        # The queue that the last round of the router has read, and the conversations that this process has offered.
        self._last_queue: list[Any] = []
        self._offered: set[int] = set()

    def change(self, name: str) -> None:
        assert name in ("", *(bug.name for bug in BUGS))
        self.name = name
        self.effects = self._calls = 0
        self._answers.clear()
        self._held.clear()
        self._put_off.clear()
        self._last_queue.clear()
        self._offered.clear()

    def install(self, replace_in: Callable[[str, Callable[[Any], Any]], None]) -> None:
        replace_in("chat.actions.posts:post_batch", self._around_batch)
        replace_in("chat.actions.events:ConversationChange.save", self._around_save)
        replace_in("chat.realtime.writer:Writer.submit", self._around_submit)
        replace_in("chat.actions.posts:find_stored", self._around_find_stored)
        replace_in("chat.realtime.post_order:PostSequencer.settle", self._around_settle)
        replace_in("chat.realtime.post_order:PostSequencer.refusal_for", self._around_refusal_for)
        replace_in("chat.realtime.event_routing:EventRouter.route", self._around_route)
        replace_in("chat.selectors:messages_after", self._around_page)
        replace_in("routing.actions.taking:take", self._around_take)
        replace_in("accounts.access:rights_lost", self._around_revoked)
        replace_in("routing.actions.routing:route", self._around_round)
        replace_in("routing.selectors:waiting", self._around_waiting)
        replace_in("chat.access:lock_conversations", self._around_lock)
        replace_in("routing.actions.routing:match", self._around_match)
        replace_in("routing.loads:AgentLoad.has_room_for", self._around_room)
        replace_in("routing.actions.offers:make", self._around_make)
        replace_in("routing.actions.offers:withdraw", self._around_withdraw)
        replace_in("routing.actions.offers:accept", self._around_accept)
        replace_in("core.leases:hold", self._around_hold)

    def _takes_effect(self) -> bool:
        self._calls += 1
        takes_effect = self._calls % EVERY_NTH == 0
        self.effects += takes_effect
        return takes_effect

    # -- storing -----------------------------------------------------------------------------------------------

    def _around_submit(self, submit: Callable[..., Any]) -> Callable[..., Any]:
        def around(writer: Any, post: Any, answer: Callable[[Any], None]) -> None:
            if self.name == "answers_early":
                self._answers[post.client_id] = answer
            # Each post is put off only once, because one that is never stored is never in the wrong place.
            if self.name == "overtakes" and post.visitor_id and post.client_id not in self._put_off:
                self._calls += 1
                if self._calls % EVERY_NTH == 0:
                    self._put_off.add(post.client_id)
                    answer(self._unavailable())
                    return
            submit(writer, post, answer)

        return around

    @staticmethod
    def _unavailable() -> Any:
        from chat.errors import Unavailable

        return Unavailable()

    def _around_settle(self, settle: Callable[..., Any]) -> Callable[..., Any]:
        def around(queue: Any, outcome: Any) -> None:
            if self.name == "reorders" and len(queue._waiting) > 1:
                self.effects += 1
                queue._waiting.reverse()
            if self.name != "overtakes":
                settle(queue, outcome)
                return
            self.effects += bool(queue._waiting and getattr(outcome, "retry_after_ms", 0))
            post, queue._stored = queue._stored, None
            queue._answer(post.client_id, outcome)
            if queue._waiting:
                queue._stored = queue._waiting.popleft()
                queue._submit(queue._stored)

        return around

    def _around_refusal_for(self, refusal_for: Callable[..., Any]) -> Callable[..., Any]:
        def around(queue: Any, client_id: Any) -> Any:
            return None if self.name == "overtakes" else refusal_for(queue, client_id)

        return around

    def _around_find_stored(self, find_stored: Callable[..., Any]) -> Callable[..., Any]:
        def around(posts: Sequence[Any]) -> Any:
            stored_posts = find_stored(posts)
            if self.name != "forgets_ids":
                return stored_posts
            present = {post.pk for post in posts}
            visible = {
                key: [post for post in stored if post.pk in present] for key, stored in stored_posts.items()
            }
            self.effects += visible != stored_posts
            return visible

        return around

    def _around_batch(self, post_batch: Callable[..., Any]) -> Callable[..., Any]:
        def around(posts: Sequence[Any], *rest: Any, **named: Any) -> Any:
            store_wrongly = getattr(self, f"_{self.name}", None) if self.name in _STORAGE_BUGS else None
            if store_wrongly is None or not (posts or self.name == "marks_go_back"):
                return post_batch(posts, *rest, **named)
            return store_wrongly(lambda batch: post_batch(batch, *rest, **named), list(posts))

        return around

    def _around_save(self, save: Callable[..., Any]) -> Callable[..., Any]:
        def around(change: Any, *fields: str) -> None:
            if self.name == "keeps_the_revision":
                self.effects += 1
                change._conversation.revision -= 1
            save(change, *fields)

        return around

    def _stores_twice(self, store: Callable[..., Any], posts: list[Any]) -> Any:
        twin = [replace(posts[-1], client_id=uuid4())] if self._takes_effect() else []
        outcomes, events = store(posts + twin)
        return outcomes[: len(posts)], events

    def _loses_accepted(self, store: Callable[..., Any], posts: list[Any]) -> Any:
        from chat.protocol import AcceptedFrame

        if not self._takes_effect():
            return store(posts)
        outcomes, events = store(posts[:-1])
        return [*outcomes, AcceptedFrame(str(posts[-1].client_id), 1, "2026-01-01T00:00:00.000Z")], events

    def _alters(self, store: Callable[..., Any], posts: list[Any]) -> Any:
        if self._takes_effect():
            posts[-1] = replace(posts[-1], body=posts[-1].body[:-1])
        return store(posts)

    def _answers_early(self, store: Callable[..., Any], posts: list[Any]) -> Any:
        from chat.models import Conversation
        from chat.protocol import AcceptedFrame

        heads = dict(
            Conversation.objects.filter(pk__in={post.pk for post in posts}).values_list("pk", "last_seq")
        )
        for post in posts:
            heads[post.pk] += 1
            answer = self._answers.pop(post.client_id, None)
            if answer is not None:
                self.effects += 1
                answer(AcceptedFrame(str(post.client_id), heads[post.pk], "2026-01-01T00:00:00.000Z"))
        time.sleep(0.1)
        return store(posts)

    def _refuses_stored(self, store: Callable[..., Any], posts: list[Any]) -> Any:
        from chat.errors import ConversationClosed

        outcomes, events = store(posts)
        if not self._takes_effect():
            return outcomes, events
        hidden = str(posts[-1].client_id)
        visible = [
            event for event in events if getattr(getattr(event, "message", None), "client_id", "") != hidden
        ]
        return [*outcomes[:-1], ConversationClosed()], visible

    def _leaves_a_gap(self, store: Callable[..., Any], posts: list[Any]) -> Any:
        from django.db.models import F

        from chat.models import Conversation

        if self._takes_effect():
            # With a new revision, because the writer otherwise goes on from the values that it keeps.
            Conversation.objects.filter(pk=posts[-1].pk).update(
                last_seq=F("last_seq") + 1, revision=F("revision") + 1
            )
        return store(posts)

    def _marks_go_back(self, store: Callable[..., Any], posts: list[Any]) -> Any:
        from chat.models import Conversation
        from chat.protocol import SeenChanged

        outcomes, events = store(posts)
        marked = [event.pk for event in events if isinstance(event, SeenChanged)]
        self.effects += len(marked)
        none = {f"{side}_{what}_seq": 0 for side in ("visitor", "agent") for what in ("received", "read")}
        Conversation.objects.filter(pk__in=marked).update(**none)
        return outcomes, events

    # -- delivering --------------------------------------------------------------------------------------------

    def _around_route(self, route: Callable[..., Any]) -> Callable[..., Any]:
        def around(hub: Any, events: Any) -> Any:
            return route(hub, [changed for event in events for changed in self._routed(hub, event)])

        return around

    def _routed(self, hub: Any, event: Any) -> list[Any]:
        from chat import protocol
        from chat.protocol import AccessRevoked, MessageFrame, MessagePosted, NoteAdded

        match self.name, event:
            case "skips_one", MessagePosted() if is_skipped(event.message):
                self.effects += 1
                return []
            case "shows_twice", MessagePosted() if self._takes_effect():
                return [event, self._with(event, seq=event.message.seq + 1)]
            case "swaps_two", MessagePosted():
                return self._swapped(event)
            case "leaks_a_note", NoteAdded():
                for socket in tuple(hub.visitors.get(event.pk, ())):
                    self.effects += 1
                    socket.push(protocol.encode(event.note))
            case "leaks_to_another", MessagePosted():
                text = protocol.encode(MessageFrame(event.row.id, event.message))
                for pk, sockets in tuple(hub.visitors.items()):
                    for socket in tuple(sockets) if pk != event.pk else ():
                        self.effects += 1
                        socket.push(text)
            case "keeps_the_disabled", AccessRevoked():
                self.effects += 1
                return []
        return [event]

    def _swapped(self, event: Any) -> list[Any]:
        held = self._held.get(event.pk)
        if held is None or event.message.seq <= held.message.seq:
            self._held[event.pk] = event
            return []
        del self._held[event.pk]
        if event.message.seq != held.message.seq + 1:
            return [held, event]
        self.effects += 1
        first, second = held.message.seq, event.message.seq
        return [self._with(event, seq=first), self._with(held, seq=second)]

    @staticmethod
    def _with(event: Any, *, seq: int) -> Any:
        import msgspec

        return msgspec.structs.replace(event, message=msgspec.structs.replace(event.message, seq=seq))

    def _around_page(self, messages_after: Callable[..., Any]) -> Callable[..., Any]:
        def around(*args: Any, **named: Any) -> Any:
            page, more = messages_after(*args, **named)
            if self.name == "skips_one":
                page = [message for message in page if not is_skipped(message)]
            return page, more

        return around

    # -- rights ------------------------------------------------------------------------------------------------

    def _around_take(self, take: Callable[..., Any]) -> Callable[..., Any]:
        def around(*, staff: Any, uuid: Any) -> Any:
            from chat.access import conversation_for
            from chat.errors import AlreadyTaken

            try:
                return take(staff=staff, uuid=uuid)
            except AlreadyTaken:
                if self.name != "two_agents":
                    raise
                self.effects += 1
                return conversation_for(staff, uuid)

        return around

    def _around_revoked(self, revoked: Callable[..., Any]) -> Callable[..., Any]:
        def around(connections: Any) -> Any:
            return set() if self.name == "keeps_the_disabled" else revoked(connections)

        return around

    # -- routing -----------------------------------------------------------------------------------------------

    def _around_round(self, route: Callable[..., Any]) -> Callable[..., Any]:
        def around(holder: str) -> Any:
            self._round.is_running = True
            try:
                return route(holder)
            finally:
                self._round.is_running = False

        return around

    @property
    def _is_round(self) -> bool:
        return getattr(self._round, "is_running", False)

    def _around_waiting(self, waiting: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any) -> Any:
            queue = waiting(*arguments)
            if self.name != "routes_the_taken":
                return queue
            before, self._last_queue = self._last_queue, queue
            return [*queue, *(item for item in before if item.id not in {other.id for other in queue})]

        return around

    def _around_lock(self, lock_conversations: Callable[..., Any]) -> Callable[..., Any]:
        def around(pks: Any) -> Any:
            rows = lock_conversations(pks)
            if self.name == "routes_the_taken" and self._is_round:
                for row in rows.values():
                    if row["status"] == "active":
                        self.effects += 1
                        row["status"] = "waiting"
            return rows

        return around

    def _around_room(self, has_room_for: Callable[..., Any]) -> Callable[..., Any]:
        def around(load: Any, *rest: Any, **named: Any) -> bool:
            ignores = self.name == "ignores_capacity" and self._is_round
            return ignores or bool(has_room_for(load, *rest, **named))

        return around

    def _around_match(self, match: Callable[..., Any]) -> Callable[..., Any]:
        def around(*arguments: Any) -> Any:
            choices = match(*arguments)
            chosen = [choice.explanation.candidates[0] for choice in choices]
            if self.name == "ignores_capacity":
                self.effects += sum(one.load >= one.capacity for one in chosen)
            return choices

        return around

    def _around_make(self, make: Callable[..., Any]) -> Callable[..., Any]:
        def around(choices: Any) -> None:
            self._offered.update(row["id"] for _, row, _ in choices)
            make(choices)

        return around

    def _around_withdraw(self, withdraw: Callable[..., Any]) -> Callable[..., Any]:
        def around(pks: Any, outcome: Any) -> None:
            if self.name == "forgets_offers" and outcome == "missed":
                pks = [pk for pk in pks if pk in self._offered]
            withdraw(pks, outcome)

        return around

    def _around_accept(self, accept: Callable[..., Any]) -> Callable[..., Any]:
        def around(*, staff: Any, uuid: Any, **named: Any) -> Any:
            from django.db import transaction

            from chat import access
            from chat.actions.assigning import AssignmentResult, assign
            from chat.models import Assignment
            from routing.errors import OfferEnded

            try:
                return accept(staff=staff, uuid=uuid, **named)
            except OfferEnded:
                if self.name not in ("accepts_ended", "confirms_ended"):
                    raise
                conversation = access.conversation_for(staff, uuid)
                self.effects += 1
                if self.name == "accepts_ended" and conversation.is_open:
                    with transaction.atomic():
                        row = access.lock_conversations([conversation.pk])[conversation.pk]
                        assign([AssignmentResult(row, staff, staff, Assignment.Reason.OFFERED)])
                return conversation

        return around

    def _around_hold(self, hold: Callable[..., Any]) -> Callable[..., Any]:
        def around(name: str, holder: str, seconds: float) -> bool:
            # The lease lasts for an hour.
            return bool(hold(name, holder, 3600 if self.name == "keeps_the_lease" else seconds))

        return around


_STORAGE_BUGS = (
    "stores_twice",
    "loses_accepted",
    "alters",
    "answers_early",
    "refuses_stored",
    "leaves_a_gap",
    "marks_go_back",
)


def is_skipped(message: Any) -> bool:
    """Whether the bug `skips_one` hides this message. The result is the same in every process and on every call."""
    return bool(message.client_id) and int(message.client_id[:2], 16) % EVERY_NTH == 0


planted = PlantedBug()
