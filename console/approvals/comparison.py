"""Prepares the content of an approval request for a page: its changed and unchanged fields."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.access import may
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.registry import Kind, kind_of
from accounts.models import Staff
from knowledge.differences import Piece, differences


@dataclass(frozen=True)
class FieldDifference:
    """A changed field, for display: its label, and the pieces of its text that were kept, removed or added."""

    name: str
    pieces: list[Piece]


@dataclass(frozen=True)
class ApprovalComparison:
    """An approval request with all data that an approver must see.

    The data come only from the stored request, not from the record that it would change.
    """

    request: ApprovalRequest
    label: str
    changes: list[FieldDifference]
    unchanged: list[tuple[str, str]]
    authors: list[str]
    address: str
    attachment: str
    is_mine: bool
    may_decide: bool

    @property
    def may_approve(self) -> bool:
        return self.may_decide and not self.is_mine and self.request.is_open

    @property
    def may_withdraw(self) -> bool:
        return self.is_mine and self.request.state == ApprovalRequest.State.PENDING

    @property
    def may_reject(self) -> bool:
        return self.may_decide and not self.is_mine and self.request.state == ApprovalRequest.State.PENDING


def comparison_of(request: ApprovalRequest, reader: Staff) -> ApprovalComparison:
    """Return the display data of an approval request that the reader may see.

    One query, or none if the authors are prefetched.
    """
    kind = kind_of(request)
    authors = list(request.authors.all())
    names = _in_reading_order(kind, dict.fromkeys([*request.before, *request.after]))
    changed = [name for name in names if _is_changed(kind, request, name)]
    return ApprovalComparison(
        request=request,
        label=str(kind.label),
        changes=[_change(kind, request, name) for name in changed],
        unchanged=[_unchanged(kind, request, name) for name in names if name not in changed],
        authors=[str(author) for author in authors],
        address=kind.address_of(request),
        attachment=kind.attachment_of(request),
        is_mine=reader in authors,
        may_decide=may(reader, kind.right),
    )


def rows_of(requests: Iterable[ApprovalRequest]) -> list[tuple[ApprovalRequest, str]]:
    """Return pairs of an approval request and the label of its kind, for a list."""
    return [(request, str(kind_of(request).label)) for request in requests]


def _in_reading_order(kind: Kind, names: Iterable[str]) -> list[str]:
    """Return the field names in the order of the form. PostgreSQL does not keep the order of keys in a JSON object."""
    positions = {name: position for position, name in enumerate(kind.fields)}
    return sorted(names, key=lambda name: positions.get(name, len(positions)))


def _is_changed(kind: Kind, request: ApprovalRequest, name: str) -> bool:
    """Return whether the request changes a field. An empty field of a new object does not count as changed."""
    before, after = request.before.get(name), request.after.get(name)
    return before != after and bool(kind.text_of(name, before) or kind.text_of(name, after))


def _change(kind: Kind, request: ApprovalRequest, name: str) -> FieldDifference:
    before, after = (kind.text_of(name, fields.get(name)) for fields in (request.before, request.after))
    return FieldDifference(kind.label_of(name), differences(before, after))


def _unchanged(kind: Kind, request: ApprovalRequest, name: str) -> tuple[str, str]:
    return kind.label_of(name), kind.text_of(name, request.after.get(name))
