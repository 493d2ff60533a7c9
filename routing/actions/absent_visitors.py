"""Apply the policies of departments to visitors who are away while they wait."""

from chat.actions import abandonment
from routing import loads
from routing.models import DepartmentPolicy


def abandon() -> int:
    """Remove from the queue the visitors who have been away for longer than the policy allows. Returns their number."""
    return abandonment.abandon_absent(
        {
            department: (policy.abandon_minutes, policy.abandon_minutes_phone)
            for department, policy in loads.policies().items()
        }
    )


def rejoin_minutes(department: int) -> int:
    """Return the minutes within which an absent visitor of the department gets the former place back. One query."""
    policy = DepartmentPolicy.objects.filter(department=department).first()
    return abandonment.REJOIN_MINUTES if policy is None else policy.rejoin_minutes
