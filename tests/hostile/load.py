"""Script that fills a server's database with hostile strings for browser tests. It runs inside `manage.py shell`.

Most rows are written in bulk, not by actions. `test_hostile_data.py` tests that the actions store exactly these
strings.
"""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any
from uuid import uuid4

from django.utils import timezone

from accounts.models import Staff
from chat.actions.posts import Post, post_batch
from chat.models import CannedReply, Conversation, Level, Note, Rating, Site, Status, Visitor
from chat.protocol import AcceptedFrame
from chat.widget import tokens
from tests.hostile.corpus import (
    MAX_BODY,
    MAX_COMMENT,
    MAX_NAME,
    MAX_TITLE,
    as_line,
    batches,
    lines,
    naughty,
    own,
    packed,
    payloads,
    texts,
)
from tests.people import MEI, SITE_KEY

SINGLE = own() + naughty()
ALL_STRINGS = SINGLE + payloads()

MESSAGES = texts(ALL_STRINGS)
NOTES = texts(SINGLE) + packed(payloads(), MAX_BODY)
COMMENTS = texts(SINGLE, MAX_COMMENT) + packed(payloads(), MAX_COMMENT)
NAMES = lines(ALL_STRINGS, MAX_NAME)
REPLIES = texts(SINGLE) + packed(payloads(), MAX_BODY)

MESSAGES_PER_CONVERSATION = 1500
# The number of earlier conversations that a visitor's card shows.
COMMENTS_PER_VISITOR = 20


def print_loaded(value: Any) -> None:
    print("loaded", json.dumps(value))


def conversations() -> None:
    """Create closed conversations that together contain all messages and notes, and print their data.

    Each conversation also has a hostile visitor name and a hostile comment.
    """
    site, mei = Site.objects.get(key=SITE_KEY), Staff.objects.get(username=MEI.username)
    shares = list(batches(MESSAGES, MESSAGES_PER_CONVERSATION))
    notes = list(batches(NOTES, -(-len(NOTES) // len(shares))))
    loaded = []
    for index, bodies in enumerate(shares):
        visitor = _visitor(site, NAMES[index])
        conversation = _conversation(site, visitor, "waiting")
        for batch in batches(bodies, 200):
            posts = [Post(conversation.pk, uuid4(), body, visitor_id=visitor.pk) for body in batch]
            outcomes, _ = post_batch(posts)
            assert all(isinstance(outcome, AcceptedFrame) for outcome in outcomes)
        Note.objects.bulk_create(
            Note(conversation=conversation, after_seq=seq, author=mei, body=body)
            for seq, body in enumerate(notes[index], start=1)
        )
        _close(Conversation.objects.filter(pk=conversation.pk), mei)
        Rating.objects.create(conversation=conversation, agent=mei, score=1, comment=COMMENTS[index])
        token = tokens.token_for(visitor.uuid, site.key)
        loaded.append(
            {
                "pk": conversation.pk,
                "uuid": str(conversation.uuid),
                "token": token,
                "messages": len(bodies),
                "notes": len(notes[index]),
            }
        )
    print_loaded(loaded)


def lists() -> None:
    """Create the data for lists, and print the active conversations whose visitors wrote comments.

    There is one active conversation for each name, closed conversations with all comments in their ratings, and one
    canned reply for each text. Each printed conversation comes with its number of comments.
    """
    site, mei = Site.objects.get(key=SITE_KEY), Staff.objects.get(username=MEI.username)
    visitors = Visitor.objects.bulk_create(
        Visitor(site=site, name=name, level=Level.CLAIMED) for name in NAMES
    )
    active = Conversation.objects.bulk_create(
        Conversation(
            client_id=uuid4(),
            site=site,
            visitor=visitor,
            department=site.department,
            status=Status.ACTIVE,
            agent=mei,
            excerpt=" ".join(body.split())[:120],
            assigned_at=timezone.now(),
        )
        for visitor, body in zip(visitors, MESSAGES, strict=False)
    )
    loaded = []
    for conversation, comments in zip(active, batches(COMMENTS, COMMENTS_PER_VISITOR), strict=False):
        ended = Conversation.objects.bulk_create(
            _conversation(site, conversation.visitor, "closed", save=False) for _ in comments
        )
        Rating.objects.bulk_create(
            Rating(conversation=closed, agent=mei, score=1, comment=comment)
            for closed, comment in zip(ended, comments, strict=True)
        )
        loaded.append({"uuid": str(conversation.uuid), "comments": len(comments)})
    CannedReply.objects.bulk_create(
        CannedReply(language="zh", shortcut=f"s{index:04}", title=as_line(text, MAX_TITLE), body=text)
        for index, text in enumerate(REPLIES)
    )
    print_loaded(loaded)


def _visitor(site: Site, name: str) -> Visitor:
    return Visitor.objects.create(site=site, name=name, level=Level.CLAIMED)


def _conversation(site: Site, visitor: Visitor, status: str, *, save: bool = True) -> Conversation:
    conversation = Conversation(
        client_id=uuid4(), site=site, visitor=visitor, department=site.department, status=status
    )
    if save:
        conversation.save()
    return conversation


def _close(conversations: Any, mei: Staff) -> None:
    now = timezone.now()
    conversations.update(
        status=Status.CLOSED,
        agent=mei,
        ended_at=now,
        closed_at=now + timedelta(seconds=1),
        ended_by="agent",
        wrap_up_comment="<b>closed</b>",
    )
