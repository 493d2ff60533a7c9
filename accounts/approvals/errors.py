"""The refusals of approval actions."""

from django.utils.translation import gettext_lazy as _

from core.refusals import Refusal


class RequestNotFound(Refusal):
    """The request is missing, or this staff member may not see it: both get the same answer."""

    code = "not_found"
    text = _("This request does not exist, or you may not see it.")


class RequestClosed(Refusal):
    """The request is no longer pending."""

    code = "request_closed"
    text = _("This request has already been decided, withdrawn or replaced.")


class RequestExpired(Refusal):
    """Nobody decided the request in time."""

    code = "request_expired"
    text = _("This request has expired. Its author can send it again.")


class ContentChanged(Refusal):
    """The digest posted by the page is not that of the pending request, because its content has changed since."""

    code = "content_changed"
    text = _("The content has changed since you opened it. Read it again before you approve it.")


class SubjectChanged(Refusal):
    """The stored subject differs from the state that the request shows as "before"."""

    code = "subject_changed"
    text = _("The current content has changed since this request was sent. Its author must send it again.")


class RecordTaken(Refusal):
    """Storing the record would violate a unique constraint."""

    code = "record_taken"
    text = _("The same key, shortcut or position is already in use.")


class OwnWork(Refusal):
    """Authors may not approve their own work."""

    code = "own_work"
    text = _("A second person has to approve it.")


class ReasonMissing(Refusal):
    """A rejection needs a reason."""

    code = "reason_missing"
    text = _("Say why, in at most 500 characters.")
