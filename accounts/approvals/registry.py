"""The kinds of things that are approved. Each app registers its own when it starts."""

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
    """What the mechanism has to know about one kind of thing. Every method runs in the caller's transaction."""

    name: ClassVar[str]
    label: str | Promise
    # The capability of `accounts.access` that may approve it.
    right: str
    # The order in which a reader is shown the fields; others come after these.
    fields: tuple[str, ...] = ()

    @abstractmethod
    def lock(self, subject: str) -> None:
        """Lock the subject. Always before the request's own row: editors take the two in this order too."""

    @abstractmethod
    def current(self, request: ApprovalRequest) -> Fields:
        """What is stored now, in the form of `request.before`."""

    @abstractmethod
    def apply(self, request: ApprovalRequest, by: Staff) -> None:
        """Write what was approved. The subject is locked."""

    def proposed(self, request: ApprovalRequest) -> Fields:
        """What `apply` would write now. A kind that stores its words outside the request reads them again."""
        return dict(request.after)

    def drop(self, request: ApprovalRequest, by: Staff | None) -> None:  # noqa: B027  (most kinds have nothing to do)
        """Tidy up after a request that was rejected, withdrawn or has expired."""

    def label_of(self, field: str) -> str:
        """A field's name for the reader."""
        return field

    def text_of(self, field: str, value: Any) -> str:
        """A field's value for the reader."""
        return text_of(value)

    def address_of(self, request: ApprovalRequest) -> str:
        """The address where the subject can be looked at, or nothing."""
        return ""

    def attachment_of(self, request: ApprovalRequest) -> str:
        """The address of the file that is to be approved, or nothing."""
        return ""


def text_of(value: Any) -> str:
    """The JSON form of a value in words."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return _("yes") if value else _("no")
    if isinstance(value, dict):
        return str(value.get("name", ""))
    if isinstance(value, list):
        return "\n".join(
            " | ".join(map(str, each)) if isinstance(each, list) else str(each) for each in value
        )
    return str(value)


_KINDS: dict[str, Kind] = {}


def register(*kinds: Kind) -> None:
    """Make kinds known. Registering one again replaces it, because an app may be set up twice in one process."""
    for kind in kinds:
        _KINDS[kind.name] = kind


def kind_of(request: ApprovalRequest) -> Kind:
    """The kind of a request. Raises RequestNotFound for one that no app registers any more."""
    kind = _KINDS.get(request.kind)
    if kind is None:
        raise RequestNotFound
    return kind


def kinds_approvable_by(staff: Staff) -> list[str]:
    """The names of the kinds that this member of staff may approve."""
    return [name for name, kind in _KINDS.items() if may(staff, kind.right)]
