"""Writes the transcript of a conversation as a text file, with all stored messages and no notes.

Each message has a heading at the margin with its author and time. Every line of the message itself is indented, so
nobody can write a message that looks like an entry by someone else. To get the stored text back exactly, remove the
four spaces after each line break. Bidirectional marks are removed from names, because the heading continues on the same
line after the name.
"""

import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Any

from django.conf import settings
from django.template.defaultfilters import filesizeformat
from django.utils import timezone, translation
from django.utils.translation import gettext as _

from chat.attachments.file_types import FILE_TYPES
from chat.languages import language_code
from chat.models import AuthorRole, Conversation, MessageKind
from core.text.bidi import remove_marks

INDENT = "    "
# Every character or pair of characters that any program shows as a line break.
_BREAKS = re.compile("(\r\n|[\n\r\v\f\x1c-\x1e\x85\u2028\u2029])")
_FIELDS = ("seq", "kind", "author_role", "author_name", "agent__number", "at", "body", "payload")


def transcript_of(conversation: Conversation) -> str:
    """Return the transcript in the conversation's language, with times in LIANXIN_TIME_ZONE. One query."""
    stored = conversation.messages.order_by("seq").values(*_FIELDS).iterator(chunk_size=500)
    with translation.override(language_code(conversation.language)):
        return "\n".join([*_head(conversation), *_entries(stored), *_foot(conversation)]) + "\n"


def file_name(conversation: Conversation) -> str:
    at = timezone.localtime(conversation.started_at)
    return f"lianxin-{at:%Y%m%d-%H%M}-{str(conversation.uuid)[:8]}.txt"


def indented(body: str) -> str:
    """Return the text with every line indented, for all line breaks in `_BREAKS`."""
    return INDENT + _BREAKS.sub(rf"\1{INDENT}", body)


def _head(conversation: Conversation) -> Iterator[str]:
    yield conversation.site.in_language("name", conversation.language)
    yield _("Conversation: %(number)s") % {"number": conversation.uuid}
    yield _("Started: %(at)s") % {"at": _local_time(conversation.started_at)}
    if conversation.verified_at:
        yield _("Identity verified: %(at)s") % {"at": _local_time(conversation.verified_at)}
    if conversation.ended_at:
        yield _("Ended: %(at)s") % {"at": _local_time(conversation.ended_at)}
    yield _("Time zone: %(zone)s") % {"zone": settings.TIME_ZONE}
    yield "-" * 60


def _entries(stored: Iterable[dict[str, Any]]) -> Iterator[str]:
    for message in stored:
        parts = [str(message["seq"]), _local_time(message["at"]), _author(message)]
        if message["kind"] == MessageKind.ATTACHMENT:
            parts.append(_file(message["payload"]))
        yield ""
        yield "  ".join(parts)
        yield indented(message["body"])
        choices = message["payload"].get("choices")
        if choices:
            yield _("Choices: %(choices)s") % {"choices": " | ".join(_one_line(choice) for choice in choices)}


def _foot(conversation: Conversation) -> Iterator[str]:
    if conversation.digest:
        yield ""
        yield "-" * 60
        yield _("Checksum (SHA-256): %(digest)s") % {"digest": conversation.digest}


def _author(message: dict[str, Any]) -> str:
    name = _one_line(message["author_name"])
    if message["author_role"] == AuthorRole.AGENT:
        return _("Agent %(name)s (no. %(number)s)") % {"name": name, "number": message["agent__number"] or ""}
    if message["author_role"] == AuthorRole.VISITOR:
        return _("Visitor %(name)s") % {"name": name} if name else _("Visitor")
    return _("System")


def _file(payload: dict[str, Any]) -> str:
    kind = FILE_TYPES.get(str(payload.get("content_type")), ("",))[0]
    return _("File: %(kind)s, %(size)s") % {"kind": kind, "size": filesizeformat(payload.get("size", 0))}


def _local_time(at: datetime) -> str:
    return f"{timezone.localtime(at):%Y-%m-%d %H:%M:%S}"


def _one_line(text: Any) -> str:
    return " ".join(remove_marks(str(text)).split())
