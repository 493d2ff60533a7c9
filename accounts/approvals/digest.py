"""The canonical form of what an approver is shown, and its digest."""

import hashlib
import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from django.db.models import Model

# What is shown, by the names of the fields. Values are JSON: text, number, flag, list, or {"id", "name"} of an object.
Fields = dict[str, Any]


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: equal content gives equal text on every machine."""
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def digest_of(kind: str, subject: str, before: Fields, after: Fields) -> str:
    """SHA-256 in hexadecimal of a request's content."""
    return hashlib.sha256(canonical([kind, subject, before, after]).encode()).hexdigest()


def shown(value: Any) -> Any:
    """The JSON form of a field's value. An object is named in Chinese, so that no reader's language changes it."""
    if isinstance(value, Model):
        name = value.name_in("zh") if hasattr(value, "name_in") else str(value)
        return {"id": value.pk, "name": name}
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, date | datetime):
        return value.isoformat()
    return value
