"""Send a file: store it first, then post a message that refers to it."""

import logging
from concurrent.futures import TimeoutError as FutureTimeout
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
    """Send a file in one of the visitor's conversations.

    If a file with this `client_id` was already sent in any of the visitor's conversations, the first answer is returned
    again. Raises NotFound, ConversationClosed, FileRefused or a subclass, ClientIdReused, and Unavailable, after which
    the caller may try again.
    """
    conversation = access.conversation_of(visitor, uuid)
    repeats = Attachment.objects.filter(client_id=client_id, conversation__visitor=visitor)
    if (stored := repeats.select_related("conversation").first()) is not None:
        conversation = stored.conversation
    post = Post(conversation.pk, client_id, "", visitor_id=visitor.pk, is_returning=True)
    return _send(conversation, post, AuthorRole.VISITOR, upload)


def send_file_as_agent(
    *, staff: Staff, uuid: UUID, client_id: UUID, upload: "UploadedFile[Any]"
) -> AcceptedFrame:
    """Send a file in a conversation that is assigned to the agent.

    If a file with this `client_id` was already sent, the first answer is returned again. Raises the refusals of
    `send_file_as_visitor`, and NotAssigned.
    """
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
    """Check the file and store it. A refused file leaves neither a row nor a file on disk."""
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
            # Count again under the lock, because concurrent uploads must not exceed the quota together.
            access.lock(conversation.pk)
            if conversation.attachments.count() >= MAX_PER_CONVERSATION:
                raise TooManyAttachments
            attachment.save(force_insert=True)
    except IntegrityError:
        # A copy of this request, sent at the same time, has stored the file first.
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
    message = Post(
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
        return writer.post(message).result(MAX_STORE_SECONDS)
    except FutureTimeout:
        # The writer may still store the message, so keep the file and its row. A repeated request then gets the
        # outcome.
        return Unavailable()


def _discard(attachment: Attachment) -> None:
    """Remove an attachment and its file after its message was refused for good, unless the message is stored after
    all."""
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
        logger.warning("could not delete the file of a refused upload: %s", type(error).__name__)
