"""Reads of knowledge. Each says how many queries it makes."""

from collections.abc import Iterable
from datetime import date, timedelta

from django.db.models import Count, Exists, OuterRef, Prefetch, Q, QuerySet
from django.utils import timezone

from accounts.models import Staff
from chat.models import Conversation, Message
from knowledge import message_sources
from knowledge.models import Category, Phrasing, Point, Use, Version

UNPUBLISHED_STATES = (Version.State.DRAFT, Version.State.REVIEW, Version.State.APPROVED)
EXPIRY_WARNING = timedelta(days=14)


def category_paths() -> dict[int, str]:
    """Every category's place in the tree by its id, e.g. `银行卡/挂失与补卡`. One query."""
    stored = {pk: (parent, name) for pk, parent, name in Category.objects.values_list("pk", "parent", "name")}

    def path(pk: int, depth: int = 0) -> str:
        parent, name = stored[pk]
        # A ring cannot be made through the actions; one made by hand must not hang a page.
        return name if parent is None or depth > 8 else f"{path(parent, depth + 1)}/{name}"

    return {pk: path(pk) for pk in stored}


def subtree_ids(category: int) -> set[int]:
    """The category and all under it. One query."""
    children: dict[int | None, list[int]] = {}
    for pk, parent in Category.objects.values_list("pk", "parent"):
        children.setdefault(parent, []).append(pk)
    found: set[int] = set()
    line = [category]
    while line:
        pk = line.pop()
        if pk not in found:
            found.add(pk)
            line += children.get(pk, [])
    return found


def points_for_editors() -> QuerySet[Point]:
    """All points with their published version and the one in the making (`making`, a list). Two queries when read."""
    making = Version.objects.filter(state__in=UNPUBLISHED_STATES).select_related(
        "author", "category", "department"
    )
    return Point.objects.select_related(
        "published__category", "published__department", "owner"
    ).prefetch_related(Prefetch("versions", making, to_attr="making"))


def in_state(points: QuerySet[Point], state: str) -> QuerySet[Point]:
    """Those that are published, withdrawn, or have a version in this state."""
    if state == Version.State.PUBLISHED:
        return points.filter(published__isnull=False)
    if state == Version.State.WITHDRAWN:
        return points.filter(published__isnull=True).exclude(_has(UNPUBLISHED_STATES))
    return points.filter(_has([state]))


def _has(states: Iterable[str]) -> Exists:
    return Exists(Version.objects.filter(point=OuterRef("pk"), state__in=states))


def expiring(owner: Staff | None = None, today: date | None = None) -> QuerySet[Version]:
    """Published versions that expire within two weeks, the first to expire first; of one owner, or all."""
    today = today or timezone.localdate()
    found = Version.objects.filter(
        state=Version.State.PUBLISHED, valid_until__gte=today, valid_until__lte=today + EXPIRY_WARNING
    )
    if owner is not None:
        found = found.filter(point__owner=owner)
    return found.select_related("point", "point__owner").order_by("valid_until", "pk")


def suggested_phrasings() -> QuerySet[Phrasing]:
    """What customers asked so and agents answered with the point, most frequent first."""
    return (
        Phrasing.objects.filter(state=Phrasing.State.SUGGESTED, point__published__isnull=False)
        .select_related("point__published")
        .order_by("-count", "id")
    )


def messages_from(version: Version) -> QuerySet[Message]:
    """Every message that was made from this version: who was told it. Newest first, by an index."""
    return (
        Message.objects.filter(source=version.source)
        .exclude(source="")
        .select_related("conversation__visitor", "conversation__department", "agent")
        .order_by("-pk")
    )


def versions_named(named: Iterable[str]) -> list[Version]:
    """The versions that these sources name, whatever has become of them. One query."""
    wanted = Q(pk__in=[])
    for source in named:
        if (found := message_sources.named_in(source)) is not None:
            wanted |= Q(point=found[0], number=found[1])
    return list(Version.objects.filter(wanted))


def shown_in(conversation: Conversation) -> list[Use]:
    """What the box showed the visitor while they waited, in the order of it. One query."""
    shown = Use.objects.filter(conversation=conversation, by=Use.By.BOX)
    return list(shown.select_related("version").order_by("id"))


def recipient_counts(point: Point) -> dict[int, int]:
    """How many messages were made from each version of the point, by its number. One query."""
    sources = {version.source: version.number for version in point.versions.all()}
    counted = (
        Message.objects.filter(source__in=sources).values("source").order_by().annotate(told=Count("pk"))
    )
    return {sources[row["source"]]: row["told"] for row in counted}


def readable_by(staff: Staff, is_editor: bool) -> QuerySet[Point]:
    """The points that this member of staff may open."""
    found = Point.objects.select_related("published__category", "published__department")
    return found if is_editor else found.filter(Q(published__isnull=False))
