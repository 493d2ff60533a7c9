"""Defines `RecordKind`, which handles approval of changes to the customer-visible fields of one model.

The actions of each app decide which changes need approval. Deactivating a record takes effect immediately.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from django.db import models
from django.utils.functional import Promise
from django.utils.text import capfirst

from accounts.approvals.actions import RequestDraft, request_approval, waiting_request
from accounts.approvals.digest import Fields, shown
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.registry import Kind, text_of
from accounts.models import Staff

# A function that stores a new record, or the named fields of a locked record, and writes the audit entry.
Write = Callable[[Staff, Any, Sequence[str]], None]


class RecordKind(Kind):
    """The kind of approval for changes to one model: the fields that customers see, and the function that writes them.

    The subject of a request is the value of the record's `key_field`. It is empty for a new record whose key is its
    primary key.
    """

    name: str  # type: ignore[misc]

    def __init__(
        self,
        name: str,
        model: type[models.Model],
        fields: Iterable[str],
        *,
        right: str,
        write: Write,
        label: str | Promise = "",
        key_field: str = "pk",
        address: Callable[[str], str] = lambda subject: "",
    ) -> None:
        self.name, self.model, self.fields, self.right = name, model, tuple(fields), right
        self.label = label or model._meta.verbose_name or name
        self.write, self.key_field, self._address = write, key_field, address

    def lock(self, subject: str) -> None:
        self.stored(subject)

    def stored(self, subject: str) -> Any:
        """Lock and return the record with this subject, or None if there is none."""
        records = self.model._default_manager.select_for_update(of=("self",))
        return records.filter(**{self.key_field: subject}).first() if subject else None

    def subject_of(self, record: Any) -> str:
        return "" if record.pk is None and self.key_field == "pk" else str(getattr(record, self.key_field))

    def shown(self, record: Any, fields: Iterable[str]) -> Fields:
        return {name: shown(getattr(record, name)) for name in fields}

    def current(self, request: ApprovalRequest) -> Fields:
        stored = self.stored(request.subject)
        return self.shown(stored, request.before) if stored is not None else {}

    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        record = self.stored(request.subject) or self.model()
        for name, value in request.after.items():
            self._set(record, name, value)
        self.write(by, record, sorted(request.after))

    def _set(self, record: models.Model, name: str, value: Any) -> None:
        field: Any = self.model._meta.get_field(name)
        if field.is_relation:
            setattr(record, field.attname, value["id"] if value else None)
        else:
            setattr(record, name, field.to_python(value))

    def label_of(self, field: str) -> str:
        return capfirst(str(getattr(self.model._meta.get_field(field), "verbose_name", field)))

    def text_of(self, field: str, value: Any) -> str:
        choices = dict(getattr(self.model._meta.get_field(field), "flatchoices", None) or ())
        return str(choices[value]) if isinstance(value, str) and value in choices else text_of(value)

    def address_of(self, request: ApprovalRequest) -> str:
        return self._address(request.subject) if request.subject else ""

    def proposal(
        self, title: str, subject: str, stored: Any, record: Any, fields: Iterable[str]
    ) -> RequestDraft:
        """Return the draft of a request to change these fields. The draft also contains the pending changes of the same
        record."""
        names = sorted(fields)
        after = self.shown(record, names)
        if stored is None:
            return RequestDraft(subject, title, {}, after)
        waiting = waiting_request(self.name, subject)
        if waiting is not None:
            # Keep a colleague's pending change of another field: the new request contains both changes.
            after = dict(waiting.after) | after
        return RequestDraft(subject, title, self.shown(stored, sorted(after)), after)

    def request(self, *, by: Staff, stored: Any, record: Any, fields: Iterable[str]) -> ApprovalRequest:
        """Request approval of a new record (`stored` is None) or of changed fields of a stored one."""
        proposal = self.proposal(str(record), self.subject_of(record), stored, record, fields)
        return request_approval(by=by, kind=self.name, proposal=proposal)


def changed_fields(stored: Any, record: Any, fields: Iterable[str]) -> list[str]:
    """Return the sorted names of the fields whose values differ between the stored record and `record`."""
    return sorted(name for name in fields if getattr(stored, name) != getattr(record, name))
