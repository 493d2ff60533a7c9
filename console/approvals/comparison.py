"""A request for approval as a page shows it: every field that differs, and those that stay."""

from collections.abc import Iterable
from dataclasses import dataclass

from accounts.access import may
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.registry import Kind, kind_of
from accounts.models import Staff
from knowledge.differences import Piece, differences


@dataclass(frozen=True)
class Change:
    """A field that differs, by its name for the reader."""

    name: str
    pieces: list[Piece]


@dataclass(frozen=True)
class ApprovalComparison:
    """One request with everything that an approver has to see, made of the request's own row and nothing else."""

    request: ApprovalRequest
    label: str
    changes: list[Change]
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
    """The sheet of a request that the reader may see. One query, or none where the authors are there already."""
    kind = kind_of(request)
    writers = list(request.authors.all())
    names = _in_reading_order(kind, dict.fromkeys([*request.before, *request.after]))
    changed = [name for name in names if _is_changed(kind, request, name)]
    return ApprovalComparison(
        request=request,
        label=str(kind.label),
        changes=[_change(kind, request, name) for name in changed],
        unchanged=[_unchanged(kind, request, name) for name in names if name not in changed],
        authors=[str(writer) for writer in writers],
        address=kind.address_of(request),
        attachment=kind.attachment_of(request),
        is_mine=reader in writers,
        may_decide=may(reader, kind.right),
    )


def rows_of(requests: Iterable[ApprovalRequest]) -> list[tuple[ApprovalRequest, str]]:
    """The rows of a list: each request with what it is about."""
    return [(request, str(kind_of(request).label)) for request in requests]


def _in_reading_order(kind: Kind, names: Iterable[str]) -> list[str]:
    """Field names as a form has them: a JSON column of PostgreSQL keeps them in an order of its own."""
    places = {name: place for place, name in enumerate(kind.fields)}
    return sorted(names, key=lambda name: places.get(name, len(places)))


def _is_changed(kind: Kind, request: ApprovalRequest, name: str) -> bool:
    """A field of something new that is left empty is no change to look at."""
    before, after = request.before.get(name), request.after.get(name)
    return before != after and bool(kind.text_of(name, before) or kind.text_of(name, after))


def _change(kind: Kind, request: ApprovalRequest, name: str) -> Change:
    before, after = (kind.text_of(name, fields.get(name)) for fields in (request.before, request.after))
    return Change(kind.label_of(name), differences(before, after))


def _unchanged(kind: Kind, request: ApprovalRequest, name: str) -> tuple[str, str]:
    return kind.label_of(name), kind.text_of(name, request.after.get(name))
