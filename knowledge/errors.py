"""Why an action on knowledge is refused."""

from django.utils.translation import gettext_lazy as _

from accounts.approvals.errors import OwnWork as OwnWork
from chat.errors import NotFound, Refusal


class PointNotFound(NotFound):
    words = _("This knowledge point does not exist, or it is not open to you.")


class PointIncomplete(Refusal):
    """With `problems`: what is wrong, by the name of the field."""

    code = "point_incomplete"
    words = _("Something is missing or not right yet.")

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__(str(self.words))
        self.problems = problems


class KeyTaken(Refusal):
    code = "key_taken"
    words = _("Another knowledge point has this key already.")


class DraftChanged(Refusal):
    code = "draft_changed"
    words = _(
        "Somebody else has changed this draft meanwhile. Your words are still here; compare, then save again."
    )


class NotInState(Refusal):
    code = "not_in_state"
    words = _("This version has moved on meanwhile. Please reload the page.")


class RemarkMissing(Refusal):
    code = "remark_missing"
    words = _("Say why, in at most 500 characters.")


class OutOfDate(Refusal):
    """What an agent is about to send was made from a version that is no longer said."""

    code = "out_of_date"
    words = _(
        "This answer has been changed or withdrawn meanwhile. Please look at the new one before you send."
    )
