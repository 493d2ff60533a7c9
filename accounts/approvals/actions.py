"""Every change of a request for approval. An approval is bound to a digest of exactly what was shown."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import constant_time_compare

from accounts import audit
from accounts.access import require
from accounts.approvals.authors import AT_ONCE, authors_of, authors_of_identical_content
from accounts.approvals.digest import Fields, digest_of
from accounts.approvals.errors import (
    ContentChanged,
    OwnWork,
    ReasonMissing,
    RecordTaken,
    RequestClosed,
    RequestExpired,
    RequestNotFound,
    SubjectChanged,
)
from accounts.approvals.models import ApprovalRequest, Authorship
from accounts.approvals.registry import Kind, kind_of
from accounts.models import Staff

State = ApprovalRequest.State
REASON_CHARACTERS = 500


@dataclass(frozen=True)
class RequestDraft:
    """What somebody asks to be approved. `subject` is empty for something new."""

    subject: str
    title: str
    before: Fields
    after: Fields


def waiting_request(kind: str, subject: str) -> ApprovalRequest | None:
    """The request that waits for this subject, locked, in the caller's transaction."""
    if not subject:
        return None
    waiting = ApprovalRequest.objects.select_for_update(of=("self",))
    return waiting.filter(kind=kind, subject=subject, state=State.PENDING).first()


def request_approval(*, by: Staff, kind: str, proposal: RequestDraft) -> ApprovalRequest:
    """Ask for approval; the caller has checked the right to ask, and holds the lock of the subject.

    A request that waits for the same subject is replaced, and its authors are authors of the new one too. Asking for
    the same content again is harmless.
    """
    digest = digest_of(kind, proposal.subject, proposal.before, proposal.after)
    with transaction.atomic():
        waiting = waiting_request(kind, proposal.subject)
        if not proposal.subject:
            waiting = ApprovalRequest.objects.filter(digest=digest, state=State.PENDING).first()
        if waiting is not None and waiting.digest == digest and waiting.is_open:
            return waiting
        writers = {by.pk} | authors_of_identical_content([digest]).get(digest, set())
        if proposal.subject:
            writers |= authors_of(kind, proposal.subject)
        if waiting is not None:
            writers |= set(waiting.authors.values_list("pk", flat=True))
            _close(waiting, State.SUPERSEDED, by)
        try:
            with transaction.atomic():
                request = ApprovalRequest.objects.create(**_columns(by, kind, proposal, digest))
        except IntegrityError as error:
            # A record that does not exist yet has no row to lock: a colleague has asked for the same key just now.
            raise RecordTaken from error
        request.authors.set(writers)
        audit.record(by, "approval.requested", request, kind=kind, about=proposal.subject, digest=digest)
    return request


def request_many(*, by: Staff, kind: str, proposals: Sequence[RequestDraft]) -> int:
    """Ask for approval of many at once, as `request_approval` does one by one, by a few statements.

    For an import: every proposal has a subject, each another one. Returns how many wait now.
    """
    with transaction.atomic():
        digests = {each.subject: digest_of(kind, each.subject, each.before, each.after) for each in proposals}
        writers: dict[str, set[int]] = {subject: {by.pk} for subject in digests}
        same = authors_of_identical_content(digests.values())
        for lot in _lots(list(digests)):
            rows = Authorship.objects.filter(kind=kind, subject__in=lot)
            for subject, staff in rows.values_list("subject", "staff"):
                writers[subject].add(staff)
            waiting = ApprovalRequest.objects.filter(kind=kind, subject__in=lot, state=State.PENDING)
            for subject, staff in waiting.values_list("subject", "authors"):
                writers[subject].add(staff)
            waiting.update(state=State.SUPERSEDED, decided_at=timezone.now())
        made = ApprovalRequest.objects.bulk_create(
            [ApprovalRequest(**_columns(by, kind, each, digests[each.subject])) for each in proposals],
            batch_size=AT_ONCE,
        )
        link = ApprovalRequest.authors.through
        link.objects.bulk_create(
            [
                link(approvalrequest_id=request.pk, staff_id=staff)
                for request in made
                for staff in writers[request.subject] | same.get(request.digest, set())
            ],
            batch_size=AT_ONCE,
        )
        if made:
            first = [str(request.uuid) for request in made[:AT_ONCE]]
            audit.record(by, "approvals.requested", None, kind=kind, count=len(made), requests=first)
    return len(made)


def approve(*, by: Staff, uuid: UUID, digest: str) -> ApprovalRequest:
    """Approve and write exactly what the digest stands for. The same person approving again is harmless.

    Raises RequestNotFound, PermissionDenied, ContentChanged, RequestClosed, RequestExpired, OwnWork, SubjectChanged,
    RecordTaken.
    """
    try:
        with transaction.atomic():
            request, kind = _locked(uuid)
            require(by, kind.right)
            if not constant_time_compare(digest, request.digest):
                raise ContentChanged
            if request.state == State.APPROVED and request.decided_by_id == by.pk:
                return request
            _refuse_unless_approvable(request, kind, by)
            kind.apply(request, by)
            _close(request, State.APPROVED, by)
    except IntegrityError as error:
        raise RecordTaken from error
    return request


def _refuse_unless_approvable(request: ApprovalRequest, kind: Kind, by: Staff) -> None:
    if request.state != State.PENDING:
        raise RequestClosed
    if not request.is_open:
        raise RequestExpired
    if request.authors.filter(pk=by.pk).exists():
        raise OwnWork
    stored = digest_of(request.kind, request.subject, request.before, request.after)
    if not constant_time_compare(stored, request.digest):
        raise ContentChanged
    if kind.current(request) != request.before or kind.proposed(request) != request.after:
        raise SubjectChanged


def reject(*, by: Staff, uuid: UUID, reason: str) -> ApprovalRequest:
    """Refuse what was asked for, and say why.

    Raises RequestNotFound, PermissionDenied, ReasonMissing, RequestClosed.
    """
    words = " ".join(reason.split())[:REASON_CHARACTERS]
    with transaction.atomic():
        request, kind = _locked(uuid)
        require(by, kind.right)
        if not words:
            raise ReasonMissing
        if request.state != State.PENDING:
            raise RequestClosed
        _close(request, State.REJECTED, by, words)
        kind.drop(request, by)
    return request


def withdraw(*, by: Staff, uuid: UUID) -> ApprovalRequest:
    """Take a request back, by one of its authors. Raises RequestNotFound, PermissionDenied, RequestClosed."""
    with transaction.atomic():
        request, kind = _locked(uuid)
        if not request.authors.filter(pk=by.pk).exists():
            raise PermissionDenied("withdraw")
        if request.state != State.PENDING:
            raise RequestClosed
        _close(request, State.WITHDRAWN, by)
        kind.drop(request, by)
    return request


def cancel(*, by: Staff | None, kind: str, subject: str, state: State = State.SUPERSEDED) -> None:
    """Close the request that waits for a subject, because the subject is written anew or gone; its lock is held."""
    waiting = waiting_request(kind, subject)
    if waiting is not None:
        _close(waiting, state, by)


def cancel_all(requests: QuerySet[ApprovalRequest], *, state: State) -> None:
    """Close those of the requests that wait, because what they were made of is no longer valid."""
    for waiting in requests.select_for_update(of=("self",)).filter(state=State.PENDING):
        _close(waiting, state, None)


def cancel_many(*, kind: str, subjects: Sequence[str]) -> None:
    """Close the requests that wait for subjects which a command of the server writes itself; their locks are held."""
    for lot in _lots(subjects):
        waiting = ApprovalRequest.objects.filter(kind=kind, subject__in=lot, state=State.PENDING)
        waiting.update(state=State.SUPERSEDED, decided_at=timezone.now())


def expire_overdue() -> int:
    """Close what nobody has decided in time; returns how many. Any process may call it at any time."""
    overdue = ApprovalRequest.objects.filter(state=State.PENDING, expires_at__lte=timezone.now())
    expired = 0
    for uuid in overdue.values_list("uuid", flat=True):
        with transaction.atomic():
            request, kind = _locked(uuid)
            if request.state == State.PENDING:
                _close(request, State.EXPIRED, None)
                kind.drop(request, None)
                expired += 1
    return expired


def _locked(uuid: UUID) -> tuple[ApprovalRequest, Kind]:
    """The request, its subject locked before it."""
    known = ApprovalRequest.objects.filter(uuid=uuid).only("kind", "subject").first()
    if known is None:
        raise RequestNotFound
    kind = kind_of(known)
    kind.lock(known.subject)
    return ApprovalRequest.objects.select_for_update(of=("self",)).get(pk=known.pk), kind


def _close(request: ApprovalRequest, state: State, by: Staff | None, reason: str = "") -> None:
    request.state, request.decided_at, request.reason = state, timezone.now(), reason
    request.decided_by = by if state in (State.APPROVED, State.REJECTED) else None
    request.save(update_fields=["state", "decided_at", "decided_by", "reason"])
    detail = {"kind": request.kind, "about": request.subject, "digest": request.digest}
    audit.record(by, f"approval.{state.value}", request, **detail)


def _columns(by: Staff, kind: str, proposal: RequestDraft, digest: str) -> Fields:
    now = timezone.now()
    return {
        "kind": kind,
        "subject": proposal.subject,
        "title": proposal.title[:200],
        "before": proposal.before,
        "after": proposal.after,
        "digest": digest,
        "requested_by": by,
        "requested_at": now,
        "expires_at": now + timedelta(days=settings.APPROVAL_DAYS),
    }


def _lots(subjects: Sequence[str]) -> Iterable[Sequence[str]]:
    """SQLite takes only a limited number of parameters in one statement."""
    return (subjects[start : start + AT_ONCE] for start in range(0, len(subjects), AT_ONCE))
