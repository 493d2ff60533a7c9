"""The canonical form of the content that an approver is shown, and its digest."""

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
    """Return the value as JSON with sorted keys and without spaces, so that equal content always gives equal text."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest_of(kind: str, subject: str, before: Fields, after: Fields) -> str:
    """Return the SHA-256 of a request's content in hexadecimal."""
    return hashlib.sha256(canonical([kind, subject, before, after]).encode()).hexdigest()


def shown(value: Any) -> Any:
    """Return the JSON form of a field's value. A related object is named in Chinese, so that the digest does not depend
    on the reader's language."""
    if isinstance(value, Model):
        name = value.name_in("zh") if hasattr(value, "name_in") else str(value)
        return {"id": value.pk, "name": name}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
