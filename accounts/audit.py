"""The one way to write the audit trail."""

from typing import Any

from django.db import models
from django.utils import timezone

from accounts.models import AuditEntry, Staff


def record(actor: Staff | None, verb: str, subject: models.Model | None, **detail: Any) -> None:
    """Adds an entry, in the caller's transaction. `detail` holds ids and figures, never words of customers."""
    kind = subject._meta.label_lower if subject is not None else ""
    key = str(getattr(subject, "uuid", None) or subject.pk) if subject is not None else ""
    AuditEntry.objects.create(**entry(actor, verb, kind, key, detail))


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
