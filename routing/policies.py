"""All changes to the routing policies of departments. Each change is audited.

They need no approval, because they are about operations: customers read nothing of them.
"""

from collections.abc import Sequence

from django.db import transaction

from accounts import audit
from accounts.access import require
from accounts.models import Department, Staff
from routing.models import DepartmentPolicy


def save_policy(*, by: Staff, policy: DepartmentPolicy, changed: Sequence[str]) -> None:
    """Store a new policy, or the fields named in `changed`."""
    require(by, "set_up")
    is_new = policy._state.adding
    if not is_new and not changed:
        return
    with transaction.atomic():
        policy.save(force_insert=is_new, update_fields=None if is_new else changed)
        fields = {} if is_new else {"fields": list(changed)}
        verb = "setup.created" if is_new else "setup.changed"
        audit.record(by, verb, policy.department, kind="departmentpolicy", mode=policy.mode, **fields)


def remove_policy(*, by: Staff, department: Department) -> None:
    """Remove the policy of a department, which is then in pull mode. Does nothing if there is none."""
    require(by, "set_up")
    with transaction.atomic():
        removed, _ = DepartmentPolicy.objects.filter(department=department).delete()
        if removed:
            audit.record(by, "setup.removed", department, kind="departmentpolicy")
