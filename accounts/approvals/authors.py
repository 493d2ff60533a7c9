"""Who has written a subject since it was last approved. All in the caller's transaction."""

from collections.abc import Iterable

from accounts.approvals.models import ApprovalRequest, Authorship
from accounts.models import Staff

AT_ONCE = 500


def record_author(kind: str, subject: str, by: Staff | None) -> None:
    """Remember that this member of staff has written a part of the subject. Noting it twice is harmless."""
    if by is not None:
        record_author_of_many(kind, [subject], by)


def record_author_of_many(kind: str, subjects: Iterable[str], by: Staff) -> None:
    Authorship.objects.bulk_create(
        [Authorship(kind=kind, subject=subject, staff=by) for subject in subjects],
        ignore_conflicts=True,
        batch_size=AT_ONCE,
    )


def authors_of(kind: str, subject: str) -> set[int]:
    """The ids of those who have written it since it was last approved."""
    return set(Authorship.objects.filter(kind=kind, subject=subject).values_list("staff", flat=True))


def forget_authors(kind: str, subjects: Iterable[str]) -> None:
    """What was written has been published: from now on the count begins again."""
    wanted = list(subjects)
    for start in range(0, len(wanted), AT_ONCE):
        Authorship.objects.filter(kind=kind, subject__in=wanted[start : start + AT_ONCE]).delete()


def authors_of_identical_content(digests: Iterable[str]) -> dict[str, set[int]]:
    """Those who asked for exactly this before, by digest: a colleague cannot ask again in their place."""
    found: dict[str, set[int]] = {}
    wanted = list(digests)
    earlier = ApprovalRequest.objects.exclude(
        state__in=(ApprovalRequest.State.PENDING, ApprovalRequest.State.APPROVED)
    )
    for start in range(0, len(wanted), AT_ONCE):
        rows = earlier.filter(digest__in=wanted[start : start + AT_ONCE])
        for digest, staff in rows.values_list("digest", "authors"):
            found.setdefault(digest, set()).add(staff)
    return found
