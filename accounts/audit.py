"""The only functions that make entries of the audit trail."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from accounts.models import AuditEntry, Staff
from core.date_ranges import start_of


def record(actor: Staff | None, verb: str, subject: models.Model | None, **detail: Any) -> None:
    """Add an audit entry in the caller's transaction.

    `detail` may contain ids and numbers, but never text that a customer wrote.
    """
    kind = subject._meta.label_lower if subject is not None else ""
    key = str(getattr(subject, "uuid", None) or subject.pk) if subject is not None else ""
    AuditEntry.objects.create(**entry(actor, verb, kind, key, detail))


def record_once_a_day(actor: Staff, verb: str, subject: models.Model, **detail: Any) -> None:
    """Add an audit entry, unless an entry with the same actor, verb and object was added today.

    Days are in LIANXIN_TIME_ZONE.
    """
    key = str(getattr(subject, "uuid", None) or subject.pk)
    today = start_of(timezone.localdate())
    if not AuditEntry.objects.filter(actor=actor, verb=verb, object_id=key, at__gte=today).exists():
        record(actor, verb, subject, **detail)


def record_refusal(actor: Staff, view: str, code: str, *, object_id: str = "") -> None:
    """Add an audit entry for a refused request of a signed-in staff member. Repeats within a minute are not
    recorded."""
    key = object_id or view[:64]
    since = timezone.now() - timedelta(minutes=1)
    recent = AuditEntry.objects.filter(actor=actor, verb="access.refused", object_id=key, at__gte=since)
    if not recent.exists():
        detail = {"view": view, "code": code}
        AuditEntry.objects.create(**entry(actor, "access.refused", "", key, detail))


def entry(
    actor: Staff | None, verb: str, object_type: str, object_id: str, detail: dict[str, Any]
) -> dict[str, Any]:
    """Return the column values of an audit entry. For callers that insert many entries at once."""
    return {
        "at": timezone.now(),
        "actor_id": actor.pk if actor is not None else None,
        "verb": verb,
        "object_type": object_type,
        "object_id": object_id,
        "detail": detail,
    }
