"""Stores one day of conversations for the demo: every dialogue once within the last 24 hours, some still open.

Each dialogue runs through the same actions as a real conversation, with a simulated clock, so the stored rows look like
those of real use. Dialogues overlap, and their steps run in order of time.
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
from routing.actions import taking


class AnswerRecorder(Protocol):
    """Interface to knowledge points for the demo's conversations. It returns the sources of answers and records their
    use."""

    def source_of(self, key: str) -> str:
        """Return the value of `Message.source` for an answer that was made from the point with this key."""

    def record_answer(self, turn: Turn, *, by: Staff, conversation: Conversation, seq: int) -> None:
        """Record the use of the point `turn.source` in an answer, which was stored as message `seq`."""

    def record_unanswered(self, conversation: Conversation, seq: int) -> None:
        """Record the visitor's question in message `seq` as unanswered, because no point answers it."""


@dataclass(frozen=True)
class Cast:
    """The site, departments and staff to which the dialogues refer, by the names in the dialogue files."""

    site: Site
    staff: dict[str, Staff]
    departments: dict[str, Department]
    codes: dict[str, WrapUpCode]
    recorder: AnswerRecorder | None


def play_day(site: Site, recorder: AnswerRecorder | None = None) -> int:
    """Store the conversations of the last 24 hours and return their number. Runs in the caller's transaction.

    Without a `recorder`, the use of knowledge points is not recorded.
    """
    now = timezone.now()
    past, active, waiting = plan(dialogues(), now)
    cast = Cast(
        site,
        Staff.objects.in_bulk([person.username for person in PEOPLE], field_name="username"),
        Department.objects.in_bulk(field_name="code"),
        WrapUpCode.objects.in_bulk(field_name="code"),
        recorder,
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
    """Run the steps of all scenes in order of time, with the simulated clock set to the time of each step."""
    order = count()
    pending = []
    for scene in scenes:
        player = _Player(cast, scene, clock).steps()
        pending.append((next(player), next(order), player))
    heapq.heapify(pending)
    while pending:
        clock.at, _, player = heapq.heappop(pending)
        resume_at = next(player, None)
        if resume_at is not None:
            heapq.heappush(pending, (resume_at, next(order), player))


class _Player:
    """Plays one scene: sends its messages and does its other actions.

    The generator `steps` yields the time of the next step, and the caller resumes it at that time.
    """

    def __init__(self, cast: Cast, scene: Scene, clock: Clock) -> None:
        self._cast = cast
        self._scene = scene
        self._clock = clock
        self._dialogue = scene.dialogue
        self._agent: Staff | None = None
        self._at = scene.at
        self._unanswered = 0

    def _after(self, seconds: float) -> datetime:
        self._at += timedelta(seconds=seconds)
        return self._at

    def steps(self) -> Iterator[datetime]:
        yield self._at
        self._begin()
        for turn in self._scene.turns:
            if turn.by == "agent" and self._agent is None:
                # The agent takes the conversation halfway between the previous turn and the first answer.
                yield self._after(turn.after / 2)
                yield from self._take(self._cast.staff[turn.agent or self._dialogue.agent])
                yield self._after(turn.after / 2)
            else:
                yield self._after(turn.after)
            self._play_turn(turn)
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
        self._renew_presence()
        while True:
            try:
                taking.take(staff=staff, uuid=self._conversation.uuid)
            except NotFirstInQueue:
                # Another conversation is first in the queue: wait until an agent has taken it.
                yield self._after(5)
                continue
            self._agent = staff
            if self._unanswered and self._cast.recorder:
                # A real console requests suggestions when it opens a conversation, and this request records the
                # unanswered question.
                self._cast.recorder.record_unanswered(self._conversation, self._unanswered)
            return

    def _renew_presence(self) -> None:
        """Renew the presence of all staff, as open consoles would do."""
        presence.renew([staff.pk for staff in self._cast.staff.values()])

    def _play_turn(self, turn: Turn) -> None:
        conversation, agent = self._conversation, self._agent
        writer = self._cast.staff[turn.agent] if turn.agent else agent
        if turn.by == "visitor":
            self._post(turn, None)
            return
        if agent is None or writer is None:
            raise ValueError(f"{self._dialogue.id}: no agent is assigned at the turn {turn.text!r}")
        if turn.by == "agent":
            self._post(turn, writer)
        elif turn.by == "note":
            agents.add_note(staff=writer, uuid=conversation.uuid, body=turn.text)
        elif turn.to_agent:
            colleague = self._cast.staff[turn.to_agent]
            self._renew_presence()
            agents.transfer_to_agent(staff=agent, uuid=conversation.uuid, to=colleague, note=turn.text)
            self._agent = colleague
        else:
            department = self._cast.departments[turn.to_department]
            agents.transfer_to_department(staff=agent, uuid=conversation.uuid, to=department, note=turn.text)
            self._agent = None

    def _post(self, turn: Turn, writer: Staff | None) -> None:
        """Store a message and read marks.

        The author has then read everything up to this message, and the other side has received it.
        """
        pk, far_seq = self._conversation.pk, 2**31 - 1
        visitor, recorder = self._visitor.pk, self._cast.recorder
        payload = {"choices": turn.choices} if turn.choices else {}
        if writer is None:
            post = Post(pk, uuid4(), turn.text, visitor_id=visitor, payload=payload)
            marks = [ReadMark(pk, far_seq, far_seq, visitor_id=visitor)]
            marks += [ReadMark(pk, far_seq, 0, agent_id=self._agent.pk)] if self._agent else []
        else:
            source = recorder.source_of(turn.source) if recorder and turn.source else ""
            post = Post(pk, uuid4(), turn.text, agent=person_of(writer), payload=payload, source=source)
            marks = [
                ReadMark(pk, far_seq, 0, visitor_id=visitor),
                ReadMark(pk, far_seq, far_seq, agent_id=writer.pk),
            ]
        (outcome,), _ = post_batch([post], marks)
        if isinstance(outcome, Refusal):
            raise outcome
        if recorder and writer and turn.source:
            recorder.record_answer(turn, by=writer, conversation=self._conversation, seq=outcome.seq)
        elif turn.unanswered:
            self._unanswered = outcome.seq

    def _finish(self) -> Iterator[datetime]:
        dialogue, conversation = self._dialogue, self._conversation
        yield self._after(END_SECONDS)
        self._mark_all_read()
        if self._agent is None or dialogue.end != "agent":
            visitors.end_by_visitor(visitor=self._visitor)
        else:
            agents.end_conversation(staff=self._agent, uuid=conversation.uuid)
        if self._agent is None:
            return
        self._mark_all_read()
        if dialogue.rating is not None:
            yield self._after(RATE_SECONDS)
            visitors.rate(visitor=self._visitor, score=dialogue.rating, comment=dialogue.rating_comment)
        yield self._after(CLOSE_SECONDS - RATE_SECONDS if dialogue.rating is not None else CLOSE_SECONDS)
        agents.close_conversation(
            staff=self._agent,
            uuid=conversation.uuid,
            code=self._cast.codes[dialogue.wrap_up],
            comment=dialogue.wrap_up_comment,
        )

    def _mark_all_read(self) -> None:
        """Mark all messages as read by both sides."""
        pk, far_seq = self._conversation.pk, 2**31 - 1
        marks = [ReadMark(pk, far_seq, far_seq, visitor_id=self._visitor.pk)]
        marks += [ReadMark(pk, far_seq, far_seq, agent_id=self._agent.pk)] if self._agent else []
        post_batch([], marks)


def _reference(dialogue: Dialogue) -> str:
    """Return the invented customer number of this dialogue's customer. It is the same in every demo."""
    return f"QL{int(sha256(dialogue.id.encode()).hexdigest()[:12], 16) % 10**8:08}"
