"""Queries of knowledge. Docstrings say how many queries a function makes. A queryset makes one when it is evaluated."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from accounts.models import Staff
from chat.models import Conversation, Message
from knowledge import message_sources
from knowledge.models import Category, Phrasing, Point, Use, Version

UNPUBLISHED_STATES = (Version.State.DRAFT, Version.State.REVIEW, Version.State.APPROVED)
EXPIRY_WARNING = timedelta(days=14)


def category_paths() -> dict[int, str]:
    """Return the path of every category in the tree by its id, e.g. `银行卡/挂失与补卡`. One query."""
    stored = {pk: (parent, name) for pk, parent, name in Category.objects.values_list("pk", "parent", "name")}

    def path(pk: int, depth: int = 0) -> str:
        parent, name = stored[pk]
        # The actions cannot create a cycle of categories. If somebody makes one directly in the database, pages must
        # still work.
        return name if parent is None or depth > 8 else f"{path(parent, depth + 1)}/{name}"

    return {pk: path(pk) for pk in stored}


def subtree_ids(category: int) -> set[int]:
    """Return the ids of the category and of all categories below it. One query."""
    children: dict[int | None, list[int]] = {}
    for pk, parent in Category.objects.values_list("pk", "parent"):
        children.setdefault(parent, []).append(pk)
    ids: set[int] = set()
    pending = [category]
    while pending:
        pk = pending.pop()
        if pk not in ids:
            ids.add(pk)
            pending += children.get(pk, [])
    return ids


def in_state(points: QuerySet[Point], state: str) -> QuerySet[Point]:
    """Filter points by state: published, withdrawn, or with a version in this state."""
    if state == Version.State.PUBLISHED:
        return points.filter(published__isnull=False)
    if state == Version.State.WITHDRAWN:
        return points.filter(published__isnull=True).exclude(_has(UNPUBLISHED_STATES))
    return points.filter(_has([state]))


def _has(states: Iterable[str]) -> Exists:
    return Exists(Version.objects.filter(point=OuterRef("pk"), state__in=states))


def expiring(owner: Staff | None = None, today: date | None = None) -> QuerySet[Version]:
    """Return published versions that expire within two weeks, the earliest first; only of `owner`, if given."""
    today = today or timezone.localdate()
    versions = Version.objects.filter(
        state=Version.State.PUBLISHED, valid_until__gte=today, valid_until__lte=today + EXPIRY_WARNING
    )
    if owner is not None:
        versions = versions.filter(point__owner=owner)
    return versions.select_related("point", "point__owner").order_by("valid_until", "pk")


def suggested_phrasings() -> QuerySet[Phrasing]:
    """Return suggested phrasings: questions that agents answered with a published point, most frequent first."""
    return (
        Phrasing.objects.filter(state=Phrasing.State.SUGGESTED, point__published__isnull=False)
        .select_related("point__published")
        .order_by("-count", "id")
    )


def versions_of_sources(sources: Iterable[str]) -> list[Version]:
    """Return the versions that these message sources name, whatever their state now. One query."""
    condition = Q(pk__in=[])
    for source in sources:
        if (named := message_sources.point_version_in(source)) is not None:
            condition |= Q(point=named[0], number=named[1])
    return list(Version.objects.filter(condition))


def shown_in(conversation: Conversation) -> list[Use]:
    """Return the suggestions that the widget showed the visitor in the queue, in the order shown. One query."""
    shown = Use.objects.filter(conversation=conversation, by=Use.By.WIDGET)
    return list(shown.select_related("version").order_by("id"))


def recipient_counts(point: Point) -> dict[int, int]:
    """Return the number of messages made from each version of the point, by version number. Two queries."""
    sources = {version.source: version.number for version in point.versions.all()}
    counts = (
        Message.objects.filter(source__in=sources).values("source").order_by().annotate(messages=Count("pk"))
    )
    return {sources[row["source"]]: row["messages"] for row in counts}
