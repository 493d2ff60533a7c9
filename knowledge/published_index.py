"""All published points and active branches in the memory of one process, so that most searches need no database query.

Every change that a search must see raises the edition (`knowledge.actions.editions`). At most once a second, a lookup
reads the number of the newest edition, by one query. If it has risen, the lookup reads the points and branches that
have changed since the last time. Every process thus catches up even if it misses a notification.
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
from knowledge.search.embeddings import set_vector_store
from knowledge.search.encoder_process import encode_in_process
from knowledge.search.index import MAX_ENCODED_AT_ONCE

logger = logging.getLogger(__name__)

FRESH_SECONDS = 1.0
# Measured on one core shared with other work: 121 s for 5,000 points with 45,000 phrasings.
ENCODING_SECONDS_PER_TEXT = 0.0025


@dataclass(frozen=True, slots=True)
class CachedPoint:
    """A published point: the fields that a search result shows, and those that decide whether it may be shown."""

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
    """The number of points without embeddings, and the estimated seconds until all of them have embeddings."""

    points: int
    seconds: int


def seconds_to_learn(texts: int) -> int:
    """Return the estimated seconds to encode this number of new texts.

    The result is 0 if learning is switched off, or if there are so few texts that they are encoded at once.
    """
    if not settings.LEARNING or texts <= MAX_ENCODED_AT_ONCE:
        return 0
    return max(5, round(texts * ENCODING_SECONDS_PER_TEXT))


class PublishedIndex:
    """The published knowledge of this process.

    One thread at a time updates it, and readers use the previous data meanwhile.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._checked_at = 0.0
        self._learning: threading.Thread | None = None
        self._learning_since = 0.0
        self.edition = -1
        self.points: dict[int, CachedPoint] = {}
        self.index = Index()
        self.branches: dict[int, Branch] = {}
        self.branch_index = Index()

    def current(self, at_least: int = 0) -> "PublishedIndex":
        """Update this index if an update is due, and return it. The result is at most about a second old.

        It includes the edition `at_least`, if that edition exists. The first call reads everything, and concurrent
        calls wait for it.
        """
        if self.edition < at_least:
            with self._lock:
                if self.edition < at_least:
                    self._follow()
        elif monotonic() - self._checked_at > FRESH_SECONDS and self._lock.acquire(blocking=False):
            # Other threads keep using the previous data during the update.
            try:
                self._follow()
            finally:
                self._lock.release()
        return self

    def unlearned(self) -> LearningProgress | None:
        """Return the number of points that still have no embeddings and the estimated seconds left, or None if there
        are no such points or no training is running."""
        if not settings.LEARNING:
            return None
        index, learning = self.index, self._learning
        points, texts = index.untrained_counts()
        if not points or learning is None:
            return None
        elapsed = monotonic() - self._learning_since
        # An estimate: stored vectors need no work, and other processes may compete for the core.
        return LearningProgress(points, max(5, round(texts * ENCODING_SECONDS_PER_TEXT - elapsed)))

    def forget(self) -> None:
        """Read everything again at the next call; for tests, which roll their database back."""
        self.edition = -1

    def _follow(self) -> None:
        newest = Edition.objects.filter(pk=1).values_list("number", flat=True).first() or 0
        self._checked_at = monotonic()
        if newest == self.edition:
            return
        if newest < self.edition or self.edition < 0:
            # Read everything, because this is the first read, or the database was restored from an older backup.
            self.points, self.index, self.branches, self.branch_index = {}, Index(), {}, Index()
            self._read(Point.objects.filter(published__isnull=False), Branch.objects.filter(is_active=True))
        else:
            changed = {"edition__gt": self.edition, "edition__lte": newest}
            self._read(Point.objects.filter(**changed), Branch.objects.filter(**changed))
        self.edition = newest
        self._learn()

    def _learn(self) -> None:
        """Start a thread that trains the index with embeddings. The thread mostly waits for a separate encoder process.

        Only one such thread runs at a time. The next one picks up changes made meanwhile.
        """
        if not settings.LEARNING or self._learning is not None or self.index.is_trained:
            return
        self._learning_since = monotonic()
        set_vector_store(settings.STATE_DIR / "vectors.sqlite3")
        self._learning = threading.Thread(
            target=self._train, args=(self.index,), name="learning", daemon=True
        )
        self._learning.start()

    def _train(self, index: Index) -> None:
        try:
            trained = index.trained(encode_in_process)
        except Exception as error:
            # The untrained index still finds entries by their words. The next change starts the training again.
            logger.warning("training of the published index failed: %s", type(error).__name__)
            trained = None
        with self._lock:
            self._learning = None
            if trained is not None:
                self.index = trained if self.index is index else self.index.with_models_of(trained)
                self._learn()

    def _read(self, points: Any, branches: Any) -> None:
        paths = selectors.category_paths()
        accepted = Phrasing.objects.filter(state=Phrasing.State.ACCEPTED).order_by("pk")
        cached, entries, gone = dict(self.points), [], []
        for point in points.select_related("published").prefetch_related(
            Prefetch("phrasings", accepted, to_attr="accepted")
        ):
            if point.published is None:
                if cached.pop(point.pk, None) is not None:
                    gone.append(point.pk)
                continue
            cached[point.pk] = _cached_point(point, paths)
            entries.append(_point_entry(point, paths))
        self.index = self.index.with_changes(entries, gone)
        self.points = cached
        active, entries, gone = dict(self.branches), [], []
        for branch in branches.select_related("region"):
            if not branch.is_active:
                if active.pop(branch.pk, None) is not None:
                    gone.append(branch.pk)
                continue
            active[branch.pk] = branch
            entries.append(_branch_entry(branch))
        self.branch_index = self.branch_index.with_changes(entries, gone)
        self.branches = active


def _cached_point(point: Point, paths: dict[int, str]) -> CachedPoint:
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
        links=tuple((label, address) for label, address in version.links),
        is_public=version.is_public,
        valid_until=version.valid_until,
        uses=point.uses,
    )


def _point_entry(point: Point, paths: dict[int, str]) -> IndexEntry:
    version = point.published
    assert version is not None
    return IndexEntry(
        id=point.pk,
        title=version.title,
        phrasings=tuple(phrasing.text for phrasing in point.accepted),  # type: ignore[attr-defined]
        answer=version.answer,
        language=point.language,
    )


def _branch_entry(branch: Branch) -> IndexEntry:
    names = (branch.name_en, branch.region.name, *branch.aliases, f"{branch.region.name}{branch.name}")
    return IndexEntry(
        id=branch.pk,
        title=branch.name,
        phrasings=tuple(name for name in names if name),
        answer=f"{branch.address} {branch.address_en}",
        language="zh",
    )


published = PublishedIndex()


def warm() -> None:
    """Read everything before the first question arrives; called on its own thread when a server starts."""
    close_old_connections()
    # The first call of `fold_variants` builds a table. Make it now, so that the first message in Chinese need not wait.
    fold_variants("户")
    try:
        published.current()
    except Exception as error:
        # The first search will try to read the index again.
        logger.warning("the published index could not be read: %s", type(error).__name__)
    finally:
        close_old_connections()


def today() -> date:
    return timezone.localdate()
