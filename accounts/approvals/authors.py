"""Stores the authors of records: the staff who have written parts of a record since it was last approved. Authors are
not allowed to approve the record.

`kind` and `subject` identify the record, as in an approval request. Every function runs in the caller's transaction.
"""

from collections.abc import Iterable

from accounts.approvals.models import ApprovalRequest, Authorship
from accounts.models import Staff

# The maximum number of rows in one SQL statement.
BATCH_SIZE = 500


def record_author(kind: str, subject: str, by: Staff | None) -> None:
    """Record `by` as an author of a part of the record `subject`. A repeat is harmless, and `by=None` records
    nothing."""
    if by is not None:
        record_author_of_many(kind, [subject], by)


def record_author_of_many(kind: str, subjects: Iterable[str], by: Staff) -> None:
    """Record `by` as an author of a part of each of these records."""
    Authorship.objects.bulk_create(
        [Authorship(kind=kind, subject=subject, staff=by) for subject in subjects],
        ignore_conflicts=True,
        batch_size=BATCH_SIZE,
    )


def authors_of(kind: str, subject: str) -> set[int]:
    """Return the ids of the staff members who wrote parts of the record `subject` since it was last approved."""
    return set(Authorship.objects.filter(kind=kind, subject=subject).values_list("staff", flat=True))


def forget_authors(kind: str, subjects: Iterable[str]) -> None:
    """Delete the stored authors of records whose content has been approved and published.

    Only people who change a record afterwards are authors of its next version.
    """
    listed = list(subjects)
    for start in range(0, len(listed), BATCH_SIZE):
        Authorship.objects.filter(kind=kind, subject__in=listed[start : start + BATCH_SIZE]).delete()


def authors_of_identical_content(digests: Iterable[str]) -> dict[str, set[int]]:
    """Return, by digest, the ids of the staff who wrote that content in requests that were closed without approval.

    When a colleague requests the same content again, these people still count as its authors, so that they cannot
    approve their own work.
    """
    authors: dict[str, set[int]] = {}
    listed = list(digests)
    earlier = ApprovalRequest.objects.exclude(
        state__in=(ApprovalRequest.State.PENDING, ApprovalRequest.State.APPROVED)
    )
    for start in range(0, len(listed), BATCH_SIZE):
        rows = earlier.filter(digest__in=listed[start : start + BATCH_SIZE])
        for digest, staff in rows.values_list("digest", "authors"):
            authors.setdefault(digest, set()).add(staff)
    return authors
