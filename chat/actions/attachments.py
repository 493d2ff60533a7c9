"""Sending a file: kept first, then said as a message like any other."""

import logging
from concurrent.futures import TimeoutError as StillWaiting
from typing import Any
from uuid import UUID, uuid4

from django.core.files.base import ContentFile
from django.core.files.uploadedfile import UploadedFile
from django.db import IntegrityError, transaction

from accounts.models import Staff
from chat import access
from chat.actions.posts import Post
from chat.attachments.file_types import (
    MAX_PER_CONVERSATION,
    ExaminedFile,
    FilesDisabled,
    TooManyAttachments,
    clean_name,
    examine,
)
from chat.errors import ClientIdReused, ConversationClosed, NotAssigned, Refusal, Unavailable
from chat.models import Attachment, AuthorRole, Conversation, Message, MessageKind, Visitor
from chat.protocol import AcceptedFrame, serializers
from chat.realtime.writer import writer

logger = logging.getLogger(__name__)

MAX_STORE_SECONDS = 20


def send_file_as_visitor(
    *, visitor: Visitor, uuid: UUID, client_id: UUID, upload: "UploadedFile[Any]"
) -> AcceptedFrame:
    """Sends a file in the visitor's own conversation.

    A repeat of the client_id gives the first answer again, in whichever of their conversations that was. Raises
    NotFound, ConversationClosed, FileRefused and its kin, ClientIdReused, Unavailable (then try again).
    """
    conversation = access.conversation_of(visitor, uuid)
    sent = Attachment.objects.filter(client_id=client_id, conversation__visitor=visitor)
    if (before := sent.select_related("conversation").first()) is not None:
        conversation = before.conversation
    post = Post(conversation.pk, client_id, "", visitor_id=visitor.pk, is_returning=True)
    return _send(conversation, post, AuthorRole.VISITOR, upload)


def send_file_as_agent(
    *, staff: Staff, uuid: UUID, client_id: UUID, upload: "UploadedFile[Any]"
) -> AcceptedFrame:
    """The same for the agent who has the conversation. Raises NotAssigned as well."""
    conversation = access.conversation_for(staff, uuid)
    if conversation.agent_id != staff.pk:
        raise NotAssigned
    post = Post(conversation.pk, client_id, "", agent=serializers.person_of(staff))
    return _send(conversation, post, AuthorRole.AGENT, upload)


def _send(
    conversation: Conversation, post: Post, role: AuthorRole, upload: "UploadedFile[Any]"
) -> AcceptedFrame:
    attachment = Attachment.objects.filter(conversation=conversation, client_id=post.client_id).first()
    is_new = attachment is None
    if attachment is None:
        attachment = _store(conversation, post.client_id, role, upload)
    elif attachment.by_role != role or attachment.name != clean_name(upload.name, attachment.content_type):
        raise ClientIdReused
    outcome = _post_message(post, attachment)
    if isinstance(outcome, AcceptedFrame):
        return outcome
    if is_new and not outcome.retry_after_ms:
        _discard(attachment)
    raise outcome


def _store(
    conversation: Conversation, client_id: UUID, role: AuthorRole, upload: "UploadedFile[Any]"
) -> Attachment:
    """Checks the file and keeps it. What is refused leaves neither row nor file."""
    if not conversation.is_open:
        raise ConversationClosed
    if not conversation.site.attachments:
        raise FilesDisabled
    if conversation.attachments.count() >= MAX_PER_CONVERSATION:
        raise TooManyAttachments
    examined = examine(conversation.site, upload)
    attachment = _unsaved(conversation, client_id, role, examined)
    attachment.file.save(uuid4().hex, ContentFile(examined.content), save=False)
    try:
        with transaction.atomic():
            # Under the lock, so that many at once cannot pass the quota together.
            access.lock(conversation.pk)
            if conversation.attachments.count() >= MAX_PER_CONVERSATION:
                raise TooManyAttachments
            attachment.save(force_insert=True)
    except IntegrityError:
        # The same one, sent twice at the same moment: the other was first.
        _remove_file(attachment)
        return Attachment.objects.get(conversation=conversation, client_id=client_id)
    except BaseException:
        _remove_file(attachment)
        raise
    return attachment


def _unsaved(
    conversation: Conversation, client_id: UUID, role: AuthorRole, examined: ExaminedFile
) -> Attachment:
    return Attachment(
        conversation=conversation,
        client_id=client_id,
        by_role=role,
        name=examined.name,
        content_type=examined.content_type,
        size=len(examined.content),
        width=examined.width,
        height=examined.height,
    )


def _post_message(post: Post, attachment: Attachment) -> AcceptedFrame | Refusal:
    payload = {
        "attachment": str(attachment.uuid),
        "content_type": attachment.content_type,
        "size": attachment.size,
        "width": attachment.width,
        "height": attachment.height,
    }
    said = Post(
        post.pk,
        post.client_id,
        attachment.name,
        visitor_id=post.visitor_id,
        agent=post.agent,
        is_returning=post.is_returning,
        kind=MessageKind.ATTACHMENT,
        payload=payload,
    )
    try:
        return writer.post(said).result(MAX_STORE_SECONDS)
    except StillWaiting:
        # It may yet be stored: file and row stay, and a repeat gets the answer.
        return Unavailable()


def _discard(attachment: Attachment) -> None:
    """Takes back a file whose message was refused for good."""
    with transaction.atomic():
        access.lock(attachment.conversation_id)
        if Message.objects.filter(
            conversation=attachment.conversation_id,
            client_id=attachment.client_id,
            kind=MessageKind.ATTACHMENT,
        ).exists():
            return
        Attachment.objects.filter(pk=attachment.pk).delete()
    _remove_file(attachment)


def _remove_file(attachment: Attachment) -> None:
    try:
        attachment.file.delete(save=False)
    except OSError as error:
        logger.warning("the file of a refused upload stays behind: %s", type(error).__name__)
