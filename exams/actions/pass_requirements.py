"""Where a pass is required: who has not passed takes no conversations of the department from a day on.

The bar itself is `accounts.QueueRestriction`; these are the only ones who write those whose key begins with `exam/`.
"""

from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.access import require
from accounts.models import QueueRestriction, Role, Staff
from exams.errors import ExamNotFound
from exams.models import Exam, Paper

# Nobody is barred sooner than so long after they could first be told.
WARNING = timedelta(days=14)
# An exam that was over so long ago changes nobody's bars any more.
KEPT = timedelta(days=400)


def keep_requirements(today: date | None = None) -> int:
    """Brings the bars of all exams up to date: new members get one, who has left or passed loses it.

    Returns how many changed. Any process may call it at any time.
    """
    changed = 0
    kept = Exam.objects.filter(required_from__isnull=False, closes_at__gt=timezone.now() - KEPT)
    for pk in list(kept.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            # One process after the other: each bar is raised, and written down, once.
            changed += keep_requirement(Exam.objects.select_for_update().get(pk=pk), today)
    return changed


def keep_requirement(exam: Exam, today: date | None = None) -> int:
    """The same for one exam, in the caller's transaction."""
    today = today or timezone.localdate()
    key = key_of(exam)
    stored = {(bar.staff_id, bar.department_id): bar for bar in QueueRestriction.objects.filter(key=key)}
    wanted = _wanted(exam)
    if exam.closes_at < timezone.now():
        # Who comes when it is over cannot sit it any more.
        wanted &= stored.keys()
    new = [
        QueueRestriction(
            staff_id=staff, department_id=department, key=key, why=exam.name, since=_since(exam, today)
        )
        for staff, department in sorted(wanted - stored.keys())
    ]
    QueueRestriction.objects.bulk_create(new, ignore_conflicts=True)
    gone = [bar for pair, bar in stored.items() if pair not in wanted]
    QueueRestriction.objects.filter(pk__in=[bar.pk for bar in gone]).delete()
    moved = 0
    if exam.required_from is not None:
        moved = QueueRestriction.objects.filter(key=key, since__lt=exam.required_from).update(
            since=exam.required_from
        )
    for bar in new:
        audit.record(None, "bar.raised", bar.staff, department=bar.department_id, exam=exam.pk)
    for bar in gone:
        audit.record(None, "bar.removed", bar.staff, department=bar.department_id, exam=exam.pk)
    return len(new) + len(gone) + moved


def is_requirement_met(exam: Exam, staff: Staff) -> None:
    """Somebody has passed: this bar goes, and those of earlier exams of the same departments. In the caller's
    transaction."""
    earlier = Exam.objects.filter(opens_at__lte=exam.opens_at, required_from__isnull=False)
    bars = QueueRestriction.objects.filter(
        staff=staff,
        department__in=exam.departments.values("pk"),
        key__in=[key_of(each) for each in earlier.only("pk")],
    )
    for bar in bars:
        audit.record(None, "bar.removed", staff, department=bar.department_id, exam=exam.pk)
    bars.delete()


def lift_restriction(*, by: Staff, bar: int) -> None:
    """A supervisor says that it shall not hold for this one. Lifting twice is harmless. Raises ExamNotFound."""
    require(by, "see_exam_results")
    with transaction.atomic():
        found = (
            QueueRestriction.objects.select_for_update(of=("self",))
            .filter(pk=bar, key__startswith="exam/")
            .first()
        )
        if found is None:
            raise ExamNotFound
        if not found.is_lifted:
            found.is_lifted = True
            found.save(update_fields=["is_lifted"])
            audit.record(by, "bar.lifted", found.staff, department=found.department_id, key=found.key)


def key_of(exam: Exam) -> str:
    return f"exam/{exam.pk}"


def _since(exam: Exam, today: date) -> date:
    assert exam.required_from is not None
    return max(exam.required_from, today + WARNING)


def _wanted(exam: Exam) -> set[tuple[int, int]]:
    """Who has to pass for which department, and has not passed this exam or a later one of the department."""
    if exam.required_from is None:
        return set()
    departments = list(exam.departments.values_list("pk", flat=True))
    members = set(
        Staff.departments.through._default_manager.filter(
            department__in=departments, staff__is_active=True, staff__role=Role.AGENT
        ).values_list("staff_id", "department_id")
    )
    passed = set(
        Paper.objects.filter(
            is_passed=True, exam__opens_at__gte=exam.opens_at, exam__departments__in=departments
        ).values_list("staff_id", "exam__departments")
    )
    return members - passed
