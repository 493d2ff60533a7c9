"""Reasons why an approval is refused."""

from django.utils.translation import gettext_lazy as _

from core.refusals import Refusal


class RequestNotFound(Refusal):
    """The request is missing, or not open to this member of staff: the two look the same."""

    code = "not_found"
    words = _("This request does not exist, or it is not open to you.")


class RequestClosed(Refusal):
    code = "request_closed"
    words = _("This request has been decided, withdrawn or replaced meanwhile.")


class RequestExpired(Refusal):
    code = "request_expired"
    words = _("This request has expired. Its author can send it again.")


class ContentChanged(Refusal):
    """The digest that the page posts is not the digest of what waits: somebody has changed the content."""

    code = "content_changed"
    words = _("This is no longer what you were shown. Please read it again before you approve.")


class SubjectChanged(Refusal):
    """What is stored now differs from what the request compares itself with."""

    code = "subject_changed"
    words = _("What is stored has changed since this was sent for approval. Its author has to send it again.")


class RecordTaken(Refusal):
    """A unique constraint of the database refuses the record."""

    code = "record_taken"
    words = _("Something else with the same key, shortcut or place has been stored meanwhile.")


class OwnWork(Refusal):
    code = "own_work"
    words = _("A second person has to approve it.")


class ReasonMissing(Refusal):
    code = "reason_missing"
    words = _("Say why, in at most 500 characters.")
