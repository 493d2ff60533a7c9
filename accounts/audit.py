"""The one way to write the audit trail."""

from typing import Any

from django.db import models

from accounts.models import AuditEntry, Staff


def record(actor: Staff | None, verb: str, subject: models.Model | None, **detail: Any) -> None:
    """Adds an entry, in the caller's transaction. `detail` holds ids and figures, never words of customers."""
    AuditEntry.objects.create(
        actor=actor,
        verb=verb,
        object_type=subject._meta.label_lower if subject is not None else "",
        object_id=str(getattr(subject, "uuid", None) or subject.pk) if subject is not None else "",
        detail=detail,
    )
