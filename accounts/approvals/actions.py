"""All changes to approval requests. An approver approves a digest: the hash of exactly the content that they were
shown."""

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
from accounts.approvals.authors import BATCH_SIZE, authors_of, authors_of_identical_content
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
    """The content of an approval request before it is stored.

    `subject` identifies the record to change. It is empty for a new record that has no key yet.
    """

    subject: str
    title: str
    before: Fields
    after: Fields


def waiting_request(kind: str, subject: str) -> ApprovalRequest | None:
    """Lock and return the pending request to change the record `subject`, or None. Must be called in a transaction."""
    if not subject:
        return None
    waiting = ApprovalRequest.objects.select_for_update(of=("self",))
    return waiting.filter(kind=kind, subject=subject, state=State.PENDING).first()


def request_approval(*, by: Staff, kind: str, proposal: RequestDraft) -> ApprovalRequest:
    """Store and return a request for approval of a change that `by` wants to make.

    The new request replaces a pending request for the same record and keeps its authors. Requesting approval of the
    same content twice returns the first request. The caller has checked the rights of `by` and has locked the record.
    Raises RecordTaken.
    """
    digest = digest_of(kind, proposal.subject, proposal.before, proposal.after)
    with transaction.atomic():
        waiting = waiting_request(kind, proposal.subject)
        if not proposal.subject:
            waiting = ApprovalRequest.objects.filter(digest=digest, state=State.PENDING).first()
        if waiting is not None and waiting.digest == digest and waiting.is_open:
            return waiting
        authors = {by.pk} | authors_of_identical_content([digest]).get(digest, set())
        if proposal.subject:
            authors |= authors_of(kind, proposal.subject)
        if waiting is not None:
            authors |= set(waiting.authors.values_list("pk", flat=True))
            _close(waiting, State.SUPERSEDED, by)
        try:
            with transaction.atomic():
                request = ApprovalRequest.objects.create(**_columns(by, kind, proposal, digest))
        except IntegrityError as error:
            # A new record has no row to lock yet, so a colleague may have requested a record with the same key
            # meanwhile.
            raise RecordTaken from error
        request.authors.set(authors)
        audit.record(by, "approval.requested", request, kind=kind, about=proposal.subject, digest=digest)
    return request


def request_many(*, by: Staff, kind: str, proposals: Sequence[RequestDraft]) -> int:
    """Store many requests for approval with a few SQL statements, for imports; return their number.

    As with `request_approval`, each new request replaces a pending one for the same record, here even one with the same
    content, and keeps its authors. Every proposal must have a `subject`, and no two proposals may have the same one.
    """
    with transaction.atomic():
        digests = {
            proposal.subject: digest_of(kind, proposal.subject, proposal.before, proposal.after)
            for proposal in proposals
        }
        authors: dict[str, set[int]] = {subject: {by.pk} for subject in digests}
        earlier_authors = authors_of_identical_content(digests.values())
        for batch in _batches(list(digests)):
            rows = Authorship.objects.filter(kind=kind, subject__in=batch)
            for subject, staff in rows.values_list("subject", "staff"):
                authors[subject].add(staff)
            waiting = ApprovalRequest.objects.filter(kind=kind, subject__in=batch, state=State.PENDING)
            for subject, staff in waiting.values_list("subject", "authors"):
                authors[subject].add(staff)
            waiting.update(state=State.SUPERSEDED, decided_at=timezone.now())
        requests = ApprovalRequest.objects.bulk_create(
            [
                ApprovalRequest(**_columns(by, kind, proposal, digests[proposal.subject]))
                for proposal in proposals
            ],
            batch_size=BATCH_SIZE,
        )
        link = ApprovalRequest.authors.through
        link.objects.bulk_create(
            [
                link(approvalrequest_id=request.pk, staff_id=staff)
                for request in requests
                for staff in authors[request.subject] | earlier_authors.get(request.digest, set())
            ],
            batch_size=BATCH_SIZE,
        )
        if requests:
            first = [str(request.uuid) for request in requests[:BATCH_SIZE]]
            audit.record(by, "approvals.requested", None, kind=kind, count=len(requests), requests=first)
    return len(requests)


def approve(*, by: Staff, uuid: UUID, digest: str) -> ApprovalRequest:
    """Approve a request and write its content, if `digest` is the digest of that content.

    A repeat by the same person changes nothing. Raises RequestNotFound, PermissionDenied, ContentChanged,
    RequestClosed, RequestExpired, OwnWork, SubjectChanged, RecordTaken.
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
    """Reject a request with a reason.

    Raises RequestNotFound, PermissionDenied, ReasonMissing, RequestClosed.
    """
    cleaned_reason = " ".join(reason.split())[:REASON_CHARACTERS]
    with transaction.atomic():
        request, kind = _locked(uuid)
        require(by, kind.right)
        if not cleaned_reason:
            raise ReasonMissing
        if request.state != State.PENDING:
            raise RequestClosed
        _close(request, State.REJECTED, by, cleaned_reason)
        kind.drop(request, by)
    return request


def withdraw(*, by: Staff, uuid: UUID) -> ApprovalRequest:
    """Withdraw a request. Only its authors may withdraw it. Raises RequestNotFound, PermissionDenied, RequestClosed."""
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
    """Close the pending request, if any, for a record that was rewritten or removed. The caller has locked the
    record."""
    waiting = waiting_request(kind, subject)
    if waiting is not None:
        _close(waiting, state, by)


def cancel_all(requests: QuerySet[ApprovalRequest], *, state: State) -> None:
    """Close the given requests that are still pending, because the data they were made from is no longer valid."""
    for waiting in requests.select_for_update(of=("self",)).filter(state=State.PENDING):
        _close(waiting, state, None)


def cancel_many(*, kind: str, subjects: Sequence[str]) -> None:
    """Close the pending requests for many records, for a management command that overwrites the records.

    The caller has locked the records.
    """
    for batch in _batches(subjects):
        waiting = ApprovalRequest.objects.filter(kind=kind, subject__in=batch, state=State.PENDING)
        waiting.update(state=State.SUPERSEDED, decided_at=timezone.now())


def expire_overdue() -> int:
    """Close the requests that have passed their deadline without a decision; return their number.

    Any process may call this function at any time.
    """
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
    """Lock the record that a request would change, then the request. Return the request and its kind.

    Raises RequestNotFound.
    """
    unlocked = ApprovalRequest.objects.filter(uuid=uuid).only("kind", "subject").first()
    if unlocked is None:
        raise RequestNotFound
    kind = kind_of(unlocked)
    kind.lock(unlocked.subject)
    return ApprovalRequest.objects.select_for_update(of=("self",)).get(pk=unlocked.pk), kind


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


def _batches(subjects: Sequence[str]) -> Iterable[Sequence[str]]:
    """Split the subjects into batches of BATCH_SIZE, because SQLite limits the number of parameters of a statement."""
    return (subjects[start : start + BATCH_SIZE] for start in range(0, len(subjects), BATCH_SIZE))
