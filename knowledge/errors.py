"""Refusals raised by the actions on knowledge."""

from django.utils.translation import gettext_lazy as _

from accounts.approvals.errors import OwnWork as OwnWork
from chat.errors import NotFound, Refusal


class PointNotFound(NotFound):
    text = _("This knowledge point does not exist, or you don't have access to it.")


class PointIncomplete(Refusal):
    """A form with mistakes. `problems` maps the name of a field to the messages about it."""

    code = "point_incomplete"
    http_status = 422
    text = _("Some fields are missing or invalid. Correct them and save again.")

    def __init__(self, problems: dict[str, list[str]]) -> None:
        super().__init__(str(self.text))
        self.problems = problems


class KeyTaken(Refusal):
    code = "key_taken"
    http_status = 422
    text = _("Another knowledge point already has this key.")


class DraftChanged(Refusal):
    code = "draft_changed"
    text = _("Someone else has changed this draft. Your text is still here. Compare both, then save again.")


class NotInState(Refusal):
    code = "not_in_state"
    text = _("The state of this version has changed. Reload the page.")


class RemarkMissing(Refusal):
    code = "remark_missing"
    http_status = 422
    text = _("Give a reason of at most 500 characters.")


class OutOfDate(Refusal):
    """The message that an agent is about to send was made from a version that is no longer published."""

    code = "out_of_date"
    text = _("This answer was changed or withdrawn. Check the current answer before you send it.")
