"""The canonical JSON form of the content that an approver is shown, and the SHA-256 digest of that form."""

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model

# Field names and values as shown to an approver. A value is JSON: text, number, boolean, list, or {"id", "name"} for a
# related object.
Fields = dict[str, Any]


def canonical(value: Any) -> str:
    """Return the value as JSON with sorted keys and without spaces. Equal content always gives equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest_of(kind: str, subject: str, before: Fields, after: Fields) -> str:
    """Return the hexadecimal SHA-256 of a request's content: its kind, its subject, and the fields before and after."""
    return hashlib.sha256(canonical([kind, subject, before, after]).encode()).hexdigest()


def shown(value: Any) -> Any:
    """Return a field's value in the JSON form that is stored in a request.

    A related object becomes its id and its Chinese name, so that the digest does not depend on the reader's language.
    """
    if isinstance(value, Model):
        name = value.name_in("zh") if hasattr(value, "name_in") else str(value)
        return {"id": value.pk, "name": name}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
