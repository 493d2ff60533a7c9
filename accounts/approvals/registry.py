"""The registry of kinds of approval, such as "department" or "site". Each app registers its own kinds when it
starts."""

from abc import ABC, abstractmethod
from typing import Any, ClassVar

from django.utils.functional import Promise
from django.utils.translation import gettext as _

from accounts.access import may
from accounts.approvals.digest import Fields
from accounts.approvals.errors import RequestNotFound
from accounts.approvals.models import ApprovalRequest
from accounts.models import Staff


class Kind(ABC):
    """A kind of change that needs approval: who may approve it, how it is shown, and how it is written.

    The methods that lock, compare or write the record run in the caller's transaction.
    """

    name: ClassVar[str]
    label: str | Promise
    # The capability of `accounts.access` that an approver needs.
    right: str
    # The order in which fields are shown to a reader; fields that are not listed come last.
    fields: tuple[str, ...] = ()

    @abstractmethod
    def lock(self, subject: str) -> None:
        """Lock the record that the request would change.

        Callers lock the record first and the row of the request second. Editing actions lock in the same order, so an
        approval and an edit cannot deadlock.
        """

    @abstractmethod
    def current(self, request: ApprovalRequest) -> Fields:
        """Return the current values of the record, in the form of `request.before`."""

    @abstractmethod
    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        """Write the approved content to the record. The caller has locked the record."""

    def proposed(self, request: ApprovalRequest) -> Fields:
        """Return the field values that `apply` would write now.

        By default, these are the values in the request. A kind that keeps the values elsewhere overrides this method
        and reads them again.
        """
        return dict(request.after)

    def drop(self, request: ApprovalRequest, by: Staff | None) -> None:  # noqa: B027  (most kinds have nothing to do)
        """Clean up after a request that was rejected, was withdrawn or has expired."""

    def label_of(self, field: str) -> str:
        """Return the label of a field, in the reader's language."""
        return field

    def text_of(self, field: str, value: Any) -> str:
        """Return the value of a field as readable text, in the reader's language."""
        return text_of(value)

    def address_of(self, request: ApprovalRequest) -> str:
        """Return the URL of the page of the record to change, or "" if there is none."""
        return ""

    def attachment_of(self, request: ApprovalRequest) -> str:
        """Return the URL of the file to approve, or "" if the request contains no file."""
        return ""


def text_of(value: Any) -> str:
    """Return a field value as text for the reader. The value is in the JSON form of `digest.shown`."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return str(value.get("name", ""))
    if isinstance(value, list):
        return "\n".join(
            " | ".join(map(str, item)) if isinstance(item, list) else str(item) for item in value
        )
    return str(value)


_KINDS: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    """Register kinds of approval. A kind with the same name is replaced, because an app may be set up twice in one
    process."""
    for kind in kinds:
        _KINDS[kind.name] = kind


def kind_of(request: ApprovalRequest) -> Kind:
    """Return the `Kind` of an approval request. Raises RequestNotFound if no app registers that kind any more."""
    kind = _KINDS.get(request.kind)
    if kind is None:
        raise RequestNotFound
    return kind


def kinds_approvable_by(staff: Staff) -> list[str]:
    """Return the names of the kinds of approval that a staff member may decide."""
    return [name for name, kind in _KINDS.items() if may(staff, kind.right)]
