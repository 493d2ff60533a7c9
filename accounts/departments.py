"""All changes to departments. Activating or renaming one needs approval, because visitors see the names in the widget's
form."""

from collections.abc import Sequence

from django.db import transaction
from django.urls import reverse

from accounts import audit
from accounts.access import require
from accounts.approvals.actions import RequestDraft, request_approval, waiting_request
from accounts.approvals.authors import forget_authors, record_author
from accounts.approvals.models import ApprovalRequest
from accounts.approvals.records import RecordKind, changed_fields
from accounts.models import Department, Staff

DEPARTMENT = "accounts.department"
# The fields whose changes need approval, because visitors see them.
SHOWN = ("is_active", "name_en", "name_zh")


def _write(by: Staff, department: Department, fields: Sequence[str]) -> None:
    department.save(update_fields=fields)
    forget_authors(DEPARTMENT, [str(department.pk)])
    audit.record(by, "department.changed", department, fields=list(fields))


DEPARTMENT_KIND = RecordKind(
    DEPARTMENT,
    Department,
    SHOWN,
    right="approve_set_up",
    write=_write,
    address=lambda subject: reverse("admin:accounts_department_change", args=[subject]),
)


def save_department(*, by: Staff, department: Department, changed: Sequence[str]) -> ApprovalRequest | None:
    """Store a new department, or the fields named in `changed`; return the approval request, or None if none is needed.

    Deactivating a department takes effect immediately. Changes to an inactive department also take effect immediately,
    because its names are approved when it is activated. A new department is inactive until somebody else approves its
    activation.
    """
    require(by, "set_up")
    with transaction.atomic():
        if department._state.adding:
            is_wanted_active, department.is_active = department.is_active, False
            department.save(force_insert=True)
            record_author(DEPARTMENT, str(department.pk), by)
            audit.record(by, "department.created", department, code=department.code)
            return _request_activation(by, department) if is_wanted_active else None
        stored = DEPARTMENT_KIND.stored(str(department.pk))
        differing = changed_fields(stored, department, changed)
        waiting = [
            name for name in differing if name in SHOWN and _reaches_visitors(stored, department, name)
        ]
        direct = [name for name in differing if name not in waiting]
        if direct:
            department.save(update_fields=direct)
            audit.record(by, "department.changed", department, fields=direct)
        if not stored.is_active:
            return _after_change_of_inactive(by, department, "is_active" in waiting, direct)
        if not waiting:
            return None
        return DEPARTMENT_KIND.request(by=by, stored=stored, record=department, fields=waiting)


def _reaches_visitors(stored: Department, department: Department, name: str) -> bool:
    return department.is_active if name == "is_active" else stored.is_active


def _after_change_of_inactive(
    by: Staff, department: Department, is_activation_wanted: bool, written: Sequence[str]
) -> ApprovalRequest | None:
    """Handle a change to an inactive department: record the author and renew a pending request for activation.

    If `is_activation_wanted`, a request is made even if none is pending. Return the request, or None.
    """
    if set(written) & set(SHOWN):
        record_author(DEPARTMENT, str(department.pk), by)
    if is_activation_wanted or waiting_request(DEPARTMENT, str(department.pk)) is not None:
        return _request_activation(by, department)
    return None


def _request_activation(by: Staff, department: Department) -> ApprovalRequest:
    """Request approval to activate the department.

    The request also shows the department's names, so approving the activation approves the names too.
    """
    subject = str(department.pk)
    after = DEPARTMENT_KIND.shown(department, SHOWN) | {"is_active": True}
    record_author(DEPARTMENT, subject, by)
    proposal = RequestDraft(subject, str(department), after | {"is_active": False}, after)
    return request_approval(by=by, kind=DEPARTMENT, proposal=proposal)
