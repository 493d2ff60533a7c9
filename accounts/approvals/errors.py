"""Refusals of actions on approval requests."""

from django.utils.translation import gettext_lazy as _

from core.refusals import Refusal


class RequestNotFound(Refusal):
    """The approval request does not exist, or is hidden from this staff member. The answer is the same in both
    cases."""

    code = "not_found"
    http_status = 404
    text = _("This request does not exist, or you don't have access to it.")


class RequestClosed(Refusal):
    """The approval request is no longer pending."""

    code = "request_closed"
    text = _("This request has already been decided, withdrawn or replaced.")


class RequestExpired(Refusal):
    """The deadline of the approval request has passed without a decision."""

    code = "request_expired"
    text = _("This request has expired. Its author can send a new one.")


class ContentChanged(Refusal):
    """The content of the approval request has changed since the page was opened: the posted digest is outdated."""

    code = "content_changed"
    text = _("The content has changed since you opened it. Read it again before you approve it.")


class SubjectChanged(Refusal):
    """The stored record has changed since the request was made: it differs from the state shown as "before"."""

    code = "subject_changed"
    text = _(
        "The current content has changed since this request was sent. Its author must send a new request."
    )


class RecordTaken(Refusal):
    """Storing the record would violate a unique constraint: another record has its key."""

    code = "record_taken"
    text = _("The same key, shortcut or position is already in use.")


class OwnWork(Refusal):
    """An author tried to approve their own work."""

    code = "own_work"
    text = _("Someone other than the author must approve this.")


class ReasonMissing(Refusal):
    """A rejection needs a reason."""

    code = "reason_missing"
    http_status = 422
    text = _("Give a reason of at most 500 characters.")
