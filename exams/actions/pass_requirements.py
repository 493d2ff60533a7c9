"""Required exams: from an exam's `required_from` date on, agents who have not passed it are not allowed to take
conversations of its departments.

Each restriction is stored as an `accounts.QueueRestriction` whose key begins with `exam/`. Only this module writes such
restrictions.
"""

from datetime import date, timedelta

from django.db import transaction
from django.utils import timezone

from accounts import audit
from accounts.access import require
from accounts.models import QueueRestriction, Role, Staff
from exams.errors import ExamNotFound
from exams.models import Exam, Paper

# The minimum time between the first warning and the start of a restriction.
NOTICE_PERIOD = timedelta(days=14)
# Restrictions of exams that closed longer ago than this are no longer updated.
MAX_EXAM_AGE = timedelta(days=400)


def update_all_restrictions(today: date | None = None) -> int:
    """Add, postpone and remove queue restrictions of all required exams as needed; return the number of changes.

    New members of a department get a restriction. Agents who have left the department or passed the exam lose theirs.
    Any process may call this function at any time.
    """
    changed = 0
    recent = Exam.objects.filter(required_from__isnull=False, closes_at__gt=timezone.now() - MAX_EXAM_AGE)
    for pk in list(recent.order_by("pk").values_list("pk", flat=True)):
        with transaction.atomic():
            # Because of the lock, only one process at a time updates an exam, so each restriction is added and audited
            # once.
            changed += update_restrictions(Exam.objects.select_for_update().get(pk=pk), today)
    return changed


def update_restrictions(exam: Exam, today: date | None = None) -> int:
    """Add, postpone and remove queue restrictions of one exam as needed; return the number of changes. Needs a
    transaction."""
    today = today or timezone.localdate()
    key = key_of(exam)
    stored = {
        (restriction.staff_id, restriction.department_id): restriction
        for restriction in QueueRestriction.objects.filter(key=key)
    }
    required = _required_passes(exam)
    if exam.closes_at < timezone.now():
        # Agents who join after the exam has closed can no longer sit it, so they get no restriction.
        required &= stored.keys()
    new = [
        QueueRestriction(
            staff_id=staff, department_id=department, key=key, why=exam.name, since=_since(exam, today)
        )
        for staff, department in sorted(required - stored.keys())
    ]
    QueueRestriction.objects.bulk_create(new, ignore_conflicts=True)
    removed = [restriction for pair, restriction in stored.items() if pair not in required]
    QueueRestriction.objects.filter(pk__in=[restriction.pk for restriction in removed]).delete()
    postponed = 0
    if exam.required_from is not None:
        postponed = QueueRestriction.objects.filter(key=key, since__lt=exam.required_from).update(
            since=exam.required_from
        )
    for restriction in new:
        audit.record(
            None, "bar.raised", restriction.staff, department=restriction.department_id, exam=exam.pk
        )
    for restriction in removed:
        audit.record(
            None, "bar.removed", restriction.staff, department=restriction.department_id, exam=exam.pk
        )
    return len(new) + len(removed) + postponed


def remove_met_restrictions(exam: Exam, staff: Staff) -> None:
    """Remove a person's queue restrictions after they passed this exam.

    A pass ends the restrictions of this exam and of earlier exams in the same departments. Runs in the caller's
    transaction.
    """
    earlier = Exam.objects.filter(opens_at__lte=exam.opens_at, required_from__isnull=False)
    restrictions = QueueRestriction.objects.filter(
        staff=staff,
        department__in=exam.departments.values("pk"),
        key__in=[key_of(earlier_exam) for earlier_exam in earlier.only("pk")],
    )
    for restriction in restrictions:
        audit.record(None, "bar.removed", staff, department=restriction.department_id, exam=exam.pk)
    restrictions.delete()


def lift_restriction(*, by: Staff, restriction: int) -> None:
    """Lift a queue restriction, so that the agent may take conversations without a pass. Lifting twice is harmless.

    Raises ExamNotFound or PermissionDenied.
    """
    require(by, "see_exam_results")
    with transaction.atomic():
        locked = (
            QueueRestriction.objects.select_for_update(of=("self",))
            .filter(pk=restriction, key__startswith="exam/")
            .first()
        )
        if locked is None:
            raise ExamNotFound
        if not locked.is_lifted:
            locked.is_lifted = True
            locked.save(update_fields=["is_lifted"])
            audit.record(by, "bar.lifted", locked.staff, department=locked.department_id, key=locked.key)


def key_of(exam: Exam) -> str:
    return f"exam/{exam.pk}"


def _since(exam: Exam, today: date) -> date:
    assert exam.required_from is not None
    return max(exam.required_from, today + NOTICE_PERIOD)


def _required_passes(exam: Exam) -> set[tuple[int, int]]:
    """Return (agent id, department id) pairs: an agent who still needs a pass, and the department that requires it.

    A pass of this exam or of a later exam of the department is enough.
    """
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
