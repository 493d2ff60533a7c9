"""The registry of kinds of approval. Each app registers its own kinds when it starts."""

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
    """A kind of change that needs approval. Every method runs in the caller's transaction."""

    name: ClassVar[str]
    label: str | Promise
    # The capability of `accounts.access` needed to approve it.
    right: str
    # The order in which fields are shown to a reader; fields that are not listed follow these.
    fields: tuple[str, ...] = ()

    @abstractmethod
    def lock(self, subject: str) -> None:
        """Lock the subject. Callers do it before they lock the request's row, in the same order as the editing actions,
        so that the two cannot deadlock."""

    @abstractmethod
    def current(self, request: ApprovalRequest) -> Fields:
        """Return the stored values in the form of `request.before`."""

    @abstractmethod
    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        """Write the approved content. The subject is locked."""

    def proposed(self, request: ApprovalRequest) -> Fields:
        """Return what `apply` would write now. A kind that stores its content outside the request reads it again."""
        return dict(request.after)

    def drop(self, request: ApprovalRequest, by: Staff | None) -> None:  # noqa: B027  (most kinds have nothing to do)
        """Clean up after a request that was rejected, was withdrawn or has expired."""

    def label_of(self, field: str) -> str:
        """Return a field's name for the reader."""
        return field

    def text_of(self, field: str, value: Any) -> str:
        """Return a field's value for the reader."""
        return text_of(value)

    def address_of(self, request: ApprovalRequest) -> str:
        """Return the URL of the subject's page, or an empty text."""
        return ""

    def attachment_of(self, request: ApprovalRequest) -> str:
        """Return the URL of the file to approve, or an empty text."""
        return ""


def text_of(value: Any) -> str:
    """Return the text that shows a value (in the form of `digest.shown`) to the reader."""
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
    """Register kinds. A second registration replaces the first, because an app may be set up twice in one process."""
    for kind in kinds:
        _KINDS[kind.name] = kind


def kind_of(request: ApprovalRequest) -> Kind:
    """Return the kind of a request. Raises RequestNotFound for a kind that no app registers any more."""
    kind = _KINDS.get(request.kind)
    if kind is None:
        raise RequestNotFound
    return kind


def kinds_approvable_by(staff: Staff) -> list[str]:
    """Return the names of the kinds that a staff member may approve."""
    return [name for name, kind in _KINDS.items() if may(staff, kind.right)]
