"""Models of messages, which both sides see; of notes, which only staff see; and of attachments."""

import uuid

from django.core.files.storage import FileSystemStorage
from django.db import models
from django.utils import timezone
from django.utils.translation import gettext_lazy as _

from accounts.models import Staff
from chat.archive.search_terms import TermsField
from chat.models.conversation import Conversation


class MessageKind(models.TextChoices):
    TEXT = "text", _("text")
    ATTACHMENT = "attachment", _("file")
    EVENT = "event", _("event")


class AuthorRole(models.TextChoices):
    VISITOR = "visitor", _("visitor")
    AGENT = "agent", _("agent")
    SYSTEM = "system", _("system")


class Message(models.Model):
    """One message of a conversation. Both sides see messages in the order of `seq`, and a stored message never
    changes."""

    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="messages")
    seq = models.PositiveIntegerField()
    client_id = models.UUIDField(null=True, blank=True)
    kind = models.CharField(_("kind"), max_length=10, choices=MessageKind, default=MessageKind.TEXT)
    author_role = models.CharField(_("author"), max_length=8, choices=AuthorRole)
    author_name = models.CharField(_("author's name"), max_length=60, blank=True)
    agent = models.ForeignKey(Staff, models.PROTECT, null=True, blank=True, verbose_name=_("agent"))
    body = models.TextField(_("text"), blank=True)
    payload = models.JSONField(default=dict, blank=True)
    # The source from which an agent's text was made, for example a knowledge point (point/<id>/<version>). Only staff
    # see it.
    source = models.CharField(max_length=40, blank=True, default="", db_default="", editable=False)
    at = models.DateTimeField(_("time"), default=timezone.now)
    terms = TermsField(editable=False, default=list)

    class Meta:
        verbose_name = _("message")
        verbose_name_plural = _("messages")
        ordering = ("conversation", "seq")
        constraints = [
            models.UniqueConstraint(fields=["conversation", "seq"], name="message_seq_once"),
            models.UniqueConstraint(fields=["conversation", "client_id"], name="message_client_id_once"),
        ]
        indexes = [
            models.Index(
                fields=["source", "id"], condition=~models.Q(source=""), name="messages_from_a_source"
            )
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id}/{self.seq}"


class Note(models.Model):
    """A text about a conversation that only staff see. Notes have their own table and code path, so they never reach a
    visitor."""

    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="notes")
    client_id = models.UUIDField(default=uuid.uuid4)
    after_seq = models.PositiveIntegerField(help_text="last_seq of the conversation when it was written")
    author = models.ForeignKey(Staff, models.PROTECT, verbose_name=_("author"))
    body = models.TextField(_("text"))
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("note")
        verbose_name_plural = _("notes")
        ordering = ("id",)
        constraints = [
            models.UniqueConstraint(fields=["conversation", "client_id"], name="note_client_id_once")
        ]

    def __str__(self) -> str:
        return f"{self.conversation_id} {self.author_id}"


class Attachment(models.Model):
    uuid = models.UUIDField(unique=True, default=uuid.uuid4, editable=False)
    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="attachments")
    client_id = models.UUIDField()
    by_role = models.CharField(_("uploaded by"), max_length=8, choices=AuthorRole)
    name = models.CharField(_("file name"), max_length=120)
    content_type = models.CharField(_("kind"), max_length=40)
    size = models.PositiveIntegerField(_("bytes"))
    width = models.PositiveIntegerField(null=True, blank=True)
    height = models.PositiveIntegerField(null=True, blank=True)
    file = models.FileField(storage=FileSystemStorage(), upload_to="%Y/%m/")
    at = models.DateTimeField(_("time"), default=timezone.now)

    class Meta:
        verbose_name = _("attachment")
        verbose_name_plural = _("attachments")
        constraints = [
            models.UniqueConstraint(fields=["conversation", "client_id"], name="attachment_client_id_once")
        ]

    def __str__(self) -> str:
        return self.name
