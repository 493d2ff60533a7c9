"""The initial state in the HTML of the console's page: the conversation lists and the signed-in person."""

from typing import Any

import msgspec
from django.utils.translation import get_language

from accounts.access import may, restricted_departments
from accounts.models import Department, Staff
from console.inbox import selectors


def initial_state(staff: Staff) -> dict[str, Any]:
    """Return the initial state for static/console/inbox/state.js, as data for JSON. At most seven queries.

    The key `me` describes the signed-in person and lists the departments from whose queues they are not allowed to take
    conversations today.
    """
    lists = selectors.lists_for(staff)
    return {
        "me": {
            "id": staff.pk,
            "number": staff.number,
            "sees_all": may(staff, "see_all_conversations"),
            "departments": list(staff.departments.values_list("pk", flat=True)),
            "barred": list(
                restricted_departments(staff).order_by().values_list("department", flat=True).distinct()
            ),
        },
        "departments": {
            department.pk: department.name_in(get_language()) for department in Department.objects.all()
        },
        "rows": msgspec.to_builtins(lists.rows),
        "waiting_count": lists.waiting_count,
        "presence": str(selectors.presence_of(staff)),
    }
