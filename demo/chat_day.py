"""A day of the demo bank: every dialogue once within the last 24 hours, some of them going on now.

Each goes through the same actions as a real one, at the time on a clock that is set; so what is stored is what
would have been stored. Dialogues overlap, and whatever comes next in time is done next.
"""

import heapq
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import sha256
from itertools import count
from typing import Protocol
from uuid import uuid4

import jwt
from django.utils import timezone

from accounts import presence
from accounts.models import Department, PresenceStatus, Role, Staff
from chat.actions import agents, identities, visitors
from chat.actions.posts import Post, ReadMark, post_batch
from chat.errors import NotFirstInQueue, Refusal
from chat.models import Conversation, Site, Visitor, WrapUpCode
from chat.protocol.serializers import person_of
from chat.widget.tokens import nonce_for
from demo.bank import PEOPLE
from demo.clock import Clock, clock_set
from demo.dialogues import Dialogue, Turn, dialogues
from demo.plan import CLOSE_SECONDS, END_SECONDS, RATE_SECONDS, Scene, plan


class DialogueShelf(Protocol):
    """Where the agents of the day find their answers: what an app that keeps answers does when they are used."""

    def source_of(self, key: str) -> str:
        """`Message.source` for an answer made from what this key names."""

    def answered(self, turn: Turn, *, by: Staff, conversation: Conversation, seq: int) -> None:
        """The turn, made from `turn.source`, was stored as message `seq`."""

    def unanswered(self, conversation: Conversation, seq: int) -> None:
        """Nothing answers what the visitor asked in message `seq`."""


@dataclass(frozen=True)
class Cast:
    site: Site
    staff: dict[str, Staff]
    departments: dict[str, Department]
    codes: dict[str, WrapUpCode]
    shelf: DialogueShelf | None


def play_day(site: Site, shelf: DialogueShelf | None = None) -> int:
    """Stores the conversations of the last day, in the caller's transaction; returns how many.

    Without a shelf nobody looks anything up.
    """
    now = timezone.now()
    past, active, waiting = plan(dialogues(), now)
    cast = Cast(
        site,
        Staff.objects.in_bulk([person.username for person in PEOPLE], field_name="username"),
        Department.objects.in_bulk(field_name="code"),
        WrapUpCode.objects.in_bulk(field_name="code"),
        shelf,
    )
    shift = [staff for staff in cast.staff.values() if staff.role in (Role.AGENT, Role.SUPERVISOR)]
    with clock_set(min(scene.at for scene in past) - timedelta(minutes=10)) as clock:
        for staff in shift:
            presence.set_status(staff=staff, status=PresenceStatus.ONLINE)
        for scenes in (past, active, waiting):
            _play(cast, scenes, clock)
        clock.at = now
        for staff in shift:
            presence.set_status(staff=staff, status=PresenceStatus.OFFLINE)
    return len(past) + len(active) + len(waiting)


def _play(cast: Cast, scenes: Iterable[Scene], clock: Clock) -> None:
    order = count()
    line = []
    for scene in scenes:
        player = _Player(cast, scene, clock).steps()
        line.append((next(player), next(order), player))
    heapq.heapify(line)
    while line:
        clock.at, _, player = heapq.heappop(line)
        again = next(player, None)
        if again is not None:
            heapq.heappush(line, (again, next(order), player))


class _Player:
    """Plays one scene. `steps` yields the time at which it wants to go on, and is resumed when it is that time."""

    def __init__(self, cast: Cast, scene: Scene, clock: Clock) -> None:
        self._cast = cast
        self._scene = scene
        self._clock = clock
        self._dialogue = scene.dialogue
        self._agent: Staff | None = None
        self._at = scene.at
        self._unanswered = 0

    def _in(self, seconds: float) -> datetime:
        self._at += timedelta(seconds=seconds)
        return self._at

    def steps(self) -> Iterator[datetime]:
        yield self._at
        self._begin()
        for turn in self._scene.turns:
            if turn.by == "agent" and self._agent is None:
                # Taken on the way to the first answer.
                yield self._in(turn.after / 2)
                yield from self._take(self._cast.staff[turn.agent or self._dialogue.agent])
                yield self._in(turn.after / 2)
            else:
                yield self._in(turn.after)
            self._turn(turn)
        if self._scene.until is None:
            yield from self._finish()

    def _begin(self) -> None:
        dialogue, site = self._dialogue, self._cast.site
        uuid = self._scene.visitor or uuid4()
        if dialogue.level == "verified":
            issued = int(self._clock.at.timestamp())
            claims = {
                "sub": _reference(dialogue), "aud": site.key, "iat": issued, "exp": issued + 120,
                "jti": uuid4().hex, "name": dialogue.name,
            }  # fmt: skip
            claims["nonce"] = nonce_for(uuid, site.key, 0)
            token = jwt.encode(claims, site.identity_secret, "HS256")
            uuid = identities.identify(
                site=site, visitor_uuid=uuid, identity=token, language=dialogue.language
            ).uuid
        form = {"subject": dialogue.department}
        if dialogue.level == "claimed":
            form["name"] = dialogue.name
        self._conversation = visitors.start_conversation(
            site=site,
            visitor_uuid=uuid,
            client_id=uuid4(),
            form=form,
            language=dialogue.language,
            page=dialogue.page,
            device=dialogue.device,
        )
        self._visitor = Visitor.objects.get(uuid=uuid)
        self._head = 0

    def _take(self, staff: Staff) -> Iterator[datetime]:
        self._sign_of_life()
        while True:
            try:
                agents.take(staff=staff, uuid=self._conversation.uuid)
            except NotFirstInQueue:
                # Somebody of another dialogue stands before this one: the turn comes when they are gone.
                yield self._in(5)
                continue
            self._agent = staff
            if self._unanswered and self._cast.shelf:
                # Their console has looked for it when the conversation was before them.
                self._cast.shelf.unanswered(self._conversation, self._unanswered)
            return

    def _sign_of_life(self) -> None:
        """Consoles renew the presence of their people; here nobody's is open."""
        presence.renew([staff.pk for staff in self._cast.staff.values()])

    def _turn(self, turn: Turn) -> None:
        conversation, agent = self._conversation, self._agent
        writer = self._cast.staff[turn.agent] if turn.agent else agent
        if turn.by == "visitor":
            self._post(turn, None)
            return
        if agent is None or writer is None:
            raise ValueError(f"{self._dialogue.id}: nobody is assigned when {turn.text!r} is said")
        if turn.by == "agent":
            self._post(turn, writer)
        elif turn.by == "note":
            agents.add_note(staff=writer, uuid=conversation.uuid, body=turn.text)
        elif turn.to_agent:
            to = self._cast.staff[turn.to_agent]
            self._sign_of_life()
            agents.transfer_to_agent(staff=agent, uuid=conversation.uuid, to=to, note=turn.text)
            self._agent = to
        else:
            department = self._cast.departments[turn.to_department]
            agents.transfer_to_department(staff=agent, uuid=conversation.uuid, to=department, note=turn.text)
            self._agent = None

    def _post(self, turn: Turn, writer: Staff | None) -> None:
        """Stores what is said; whoever speaks has read what stood there, and the other's screen has received it."""
        pk, here = self._conversation.pk, 2**31 - 1
        visitor, shelf = self._visitor.pk, self._cast.shelf
        payload = {"choices": turn.choices} if turn.choices else {}
        if writer is None:
            post = Post(pk, uuid4(), turn.text, visitor_id=visitor, payload=payload)
            marks = [ReadMark(pk, here, here, visitor_id=visitor)]
            marks += [ReadMark(pk, here, 0, agent_id=self._agent.pk)] if self._agent else []
        else:
            source = shelf.source_of(turn.source) if shelf and turn.source else ""
            post = Post(pk, uuid4(), turn.text, agent=person_of(writer), payload=payload, source=source)
            marks = [ReadMark(pk, here, 0, visitor_id=visitor), ReadMark(pk, here, here, agent_id=writer.pk)]
        (outcome,), _ = post_batch([post], marks)
        if isinstance(outcome, Refusal):
            raise outcome
        if shelf and writer and turn.source:
            shelf.answered(turn, by=writer, conversation=self._conversation, seq=outcome.seq)
        elif turn.unanswered:
            self._unanswered = outcome.seq

    def _finish(self) -> Iterator[datetime]:
        dialogue, conversation = self._dialogue, self._conversation
        yield self._in(END_SECONDS)
        self._read()
        if self._agent is None or dialogue.end != "agent":
            visitors.end_by_visitor(visitor=self._visitor)
        else:
            agents.end_conversation(staff=self._agent, uuid=conversation.uuid)
        if self._agent is None:
            return
        self._read()
        if dialogue.rating is not None:
            yield self._in(RATE_SECONDS)
            visitors.rate(visitor=self._visitor, score=dialogue.rating, comment=dialogue.rating_comment)
        yield self._in(CLOSE_SECONDS - RATE_SECONDS if dialogue.rating is not None else CLOSE_SECONDS)
        agents.close_conversation(
            staff=self._agent,
            uuid=conversation.uuid,
            code=self._cast.codes[dialogue.wrap_up],
            comment=dialogue.wrap_up_comment,
        )

    def _read(self) -> None:
        """Both have read to the end."""
        pk, here = self._conversation.pk, 2**31 - 1
        marks = [ReadMark(pk, here, here, visitor_id=self._visitor.pk)]
        marks += [ReadMark(pk, here, here, agent_id=self._agent.pk)] if self._agent else []
        post_batch([], marks)


def _reference(dialogue: Dialogue) -> str:
    """The customer's number at the bank, the same in every demo."""
    return f"QL{int(sha256(dialogue.id.encode()).hexdigest()[:12], 16) % 10**8:08}"
