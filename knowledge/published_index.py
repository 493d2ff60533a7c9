"""All published points and branches in the memory of one process, searched without a database query.

Every change that a search must see raises the index revision (`knowledge.actions.editions`). A lookup compares
revisions at most once a second, by one query, and reads what has changed since. So every process follows, even when a
notification is lost.
"""

import logging
import threading
from dataclasses import dataclass
from datetime import date
from time import monotonic
from typing import Any

from django.conf import settings
from django.db import close_old_connections
from django.db.models import Prefetch
from django.utils import timezone

from core.text.chinese_variants import fold_variants
from knowledge import selectors
from knowledge.models import Branch, Edition, Phrasing, Point
from knowledge.search import Index, IndexEntry
from knowledge.search.embeddings import keep_vectors_in
from knowledge.search.encoder_process import encode_in_process
from knowledge.search.index import AT_ONCE

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
# What it takes to learn one text on one core that others use too: 121 s for 5,000 points with 45,000 phrasings.
SECONDS_PER_TEXT = 0.0025


@dataclass(frozen=True, slots=True)
class CachedPoint:
    """A published point as a search result shows it, and what decides whether it may be shown."""

    pk: int
    key: str
    language: str
    version: int
    source: str
    title: str
    answer: str
    note: str
    category: int
    category_path: str
    department: int | None
    region: int | None
    branch: int | None
    links: tuple[tuple[str, str], ...]
    is_public: bool
    valid_until: date | None
    uses: int

    def is_valid(self, today: date) -> bool:
        return self.valid_until is None or self.valid_until >= today


@dataclass(frozen=True, slots=True)
class LearningProgress:
    """Points whose meanings are not known yet, and about how many seconds it takes until they are."""

    points: int
    seconds: int


def seconds_to_learn(texts: int) -> int:
    """About how many seconds it takes to learn the meanings of new texts; 0 for a few, or where nothing is learned."""
    return max(5, round(texts * SECONDS_PER_TEXT)) if settings.LEARNING and texts > AT_ONCE else 0


class PublishedIndex:
    """What this process knows. Readers take what stands; one thread at a time brings it up to date."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._looked_at = 0.0
        self._learning: threading.Thread | None = None
        self._learning_since = 0.0
        self.edition = -1
        self.points: dict[int, CachedPoint] = {}
        self.index = Index()
        self.places: dict[int, Branch] = {}
        self.place_index = Index()

    def current(self) -> "PublishedIndex":
        """Itself, as of at most a second ago. The first call reads everything, and others wait for it."""
        if self.edition < 0:
            with self._lock:
                if self.edition < 0:
                    self._follow()
        elif monotonic() - self._looked_at > FRESH_SECONDS and self._lock.acquire(blocking=False):
            # Others go on meanwhile with what stands.
            try:
                self._follow()
            finally:
                self._lock.release()
        return self

    def unlearned(self) -> LearningProgress | None:
        """What is being learned at present; None when everything is known, or nothing is to be learned."""
        if not settings.LEARNING:
            return None
        index, learning = self.index, self._learning
        points, texts = index.untaught()
        if not points or learning is None:
            return None
        elapsed = monotonic() - self._learning_since
        # Vectors that were kept are there at once, and other work may come between: the figure is a guess.
        return LearningProgress(points, max(5, round(texts * SECONDS_PER_TEXT - elapsed)))

    def forget(self) -> None:
        """Begins anew at the next call; for tests, whose database goes back."""
        self.edition = -1

    def _follow(self) -> None:
        newest = Edition.objects.filter(pk=1).values_list("number", flat=True).first() or 0
        self._looked_at = monotonic()
        if newest == self.edition:
            return
        if newest < self.edition or self.edition < 0:
            # For the first time, or the database has been restored to what it was.
            self.points, self.index, self.places, self.place_index = {}, Index(), {}, Index()
            self._read(Point.objects.filter(published__isnull=False), Branch.objects.filter(is_active=True))
        else:
            changed = {"edition__gt": self.edition, "edition__lte": newest}
            self._read(Point.objects.filter(**changed), Branch.objects.filter(**changed))
        self.edition = newest
        self._learn()

    def _learn(self) -> None:
        """Has the index learn what its texts mean, on a thread that mostly waits for a process of its own.

        While one is under way, what changes meanwhile waits for the next.
        """
        if not settings.LEARNING or self._learning is not None or self.index.is_taught_all:
            return
        self._learning_since = monotonic()
        keep_vectors_in(settings.STATE_DIR / "vectors.sqlite3")
        self._learning = threading.Thread(
            target=self._taught, args=(self.index,), name="learning", daemon=True
        )
        self._learning.start()

    def _taught(self, index: Index) -> None:
        try:
            taught = index.taught(encode_in_process)
        except Exception as error:
            # What is there finds well enough without; the next change tries again.
            logger.warning("the library did not learn: %s", type(error).__name__)
            taught = None
        with self._lock:
            self._learning = None
            if taught is not None:
                self.index = taught if self.index is index else self.index.with_knowledge_of(taught)
                self._learn()

    def _read(self, points: Any, places: Any) -> None:
        paths = selectors.category_paths()
        accepted = Phrasing.objects.filter(state=Phrasing.State.ACCEPTED).order_by("pk")
        shelved, entries, gone = dict(self.points), [], []
        for point in points.select_related("published").prefetch_related(
            Prefetch("phrasings", accepted, to_attr="accepted")
        ):
            if point.published is None:
                if shelved.pop(point.pk, None) is not None:
                    gone.append(point.pk)
                continue
            shelved[point.pk] = _shelved(point, paths)
            entries.append(_entry(point, paths))
        self.index = self.index.with_changes(entries, gone)
        self.points = shelved
        standing, entries, gone = dict(self.places), [], []
        for place in places.select_related("region"):
            if not place.is_active:
                if standing.pop(place.pk, None) is not None:
                    gone.append(place.pk)
                continue
            standing[place.pk] = place
            entries.append(_place_entry(place))
        self.place_index = self.place_index.with_changes(entries, gone)
        self.places = standing


def _shelved(point: Point, paths: dict[int, str]) -> CachedPoint:
    version = point.published
    assert version is not None
    return CachedPoint(
        pk=point.pk,
        key=point.key,
        language=point.language,
        version=version.number,
        source=version.source,
        title=version.title,
        answer=version.answer,
        note=version.note,
        category=version.category_id,
        category_path=paths.get(version.category_id, ""),
        department=version.department_id,
        region=version.region_id,
        branch=version.branch_id,
        links=tuple((words, address) for words, address in version.links),
        is_public=version.is_public,
        valid_until=version.valid_until,
        uses=point.uses,
    )


def _entry(point: Point, paths: dict[int, str]) -> IndexEntry:
    version = point.published
    assert version is not None
    return IndexEntry(
        id=point.pk,
        title=version.title,
        phrasings=tuple(phrasing.text for phrasing in point.accepted),  # type: ignore[attr-defined]
        answer=version.answer,
        language=point.language,
    )


def _place_entry(place: Branch) -> IndexEntry:
    names = (place.name_en, place.region.name, *place.aliases, f"{place.region.name}{place.name}")
    return IndexEntry(
        id=place.pk,
        title=place.name,
        phrasings=tuple(name for name in names if name),
        answer=f"{place.address} {place.address_en}",
        language="zh",
    )


published = PublishedIndex()


def warm() -> None:
    """Reads everything ahead of the first question; on a thread of its own when a server starts."""
    close_old_connections()
    # Its first use builds a table, which the first message with Chinese words would wait for.
    fold_variants("户")
    try:
        published.current()
    except Exception as error:
        # The first who asks tries again.
        logger.warning("the library could not be read: %s", type(error).__name__)
    finally:
        close_old_connections()


def today() -> date:
    return timezone.localdate()
