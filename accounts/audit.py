"""The one way to write the audit trail."""

from datetime import timedelta
from typing import Any

from django.db import models
from django.utils import timezone

from accounts.models import AuditEntry, Staff
from core.date_ranges import start_of


def record(actor: Staff | None, verb: str, subject: models.Model | None, **detail: Any) -> None:
    """Adds an entry, in the caller's transaction. `detail` holds ids and figures, never words of customers."""
    kind = subject._meta.label_lower if subject is not None else ""
    key = str(getattr(subject, "uuid", None) or subject.pk) if subject is not None else ""
    AuditEntry.objects.create(**entry(actor, verb, kind, key, detail))


def record_once_a_day(actor: Staff, verb: str, subject: models.Model, **detail: Any) -> None:
    """Adds an entry unless this actor has one of this verb about this object today, in LIANXIN_TIME_ZONE."""
    key = str(getattr(subject, "uuid", None) or subject.pk)
    today = start_of(timezone.localdate())
    if not AuditEntry.objects.filter(actor=actor, verb=verb, object_id=key, at__gte=today).exists():
        record(actor, verb, subject, **detail)


def record_refusal(actor: Staff, view: str, code: str, *, object_id: str = "") -> None:
    """Notes that something was refused to somebody who is signed in; the same again within a minute is one entry."""
    key = object_id or view[:64]
    since = timezone.now() - timedelta(minutes=1)
    same = AuditEntry.objects.filter(actor=actor, verb="access.refused", object_id=key, at__gte=since)
    if not same.exists():
        detail = {"view": view, "code": code}
        AuditEntry.objects.create(**entry(actor, "access.refused", "", key, detail))


def entry(
    actor: Staff | None, verb: str, object_type: str, object_id: str, detail: dict[str, Any]
) -> dict[str, Any]:
    """The columns of an entry, for who stores many at once."""
    return {
        "at": timezone.now(),
        "actor_id": actor.pk if actor is not None else None,
        "verb": verb,
        "object_type": object_type,
        "object_id": object_id,
        "detail": detail,
    }
