"""Refusals of chat actions, one class for each reason.

Programs read `code` in a frame or response, and people read `text`.
"""

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from chat.protocol import LengthViolation
from core.refusals import Refusal as Refusal


class NotFound(Refusal):
    """The object does not exist, or the person is not allowed to see it. The answer is the same in both cases."""

    code = "not_found"
    http_status = 404
    text = _("This conversation does not exist, or you don't have access to it.")


class ConversationClosed(Refusal):
    code = "closed"
    text = _("This conversation has ended. Start a new one to continue.")


class WrittenForAnotherConversation(ConversationClosed):
    """The message was written for a conversation that has ended, and the visitor has started another one since."""

    text = _(
        "This message belongs to a conversation that has ended. You can send it in the new conversation."
    )


class NotAssigned(Refusal):
    code = "not_assigned"
    text = _("Only the agent assigned to this conversation can do that.")


class AlreadyTaken(Refusal):
    code = "already_taken"
    text = _("A colleague has just taken this conversation.")


class NobodyWaiting(Refusal):
    code = "nobody_waiting"
    text = _("Nobody is waiting in your departments.")


class QueueRestricted(Refusal):
    """Queue restrictions keep the agent from taking a conversation (`accounts.QueueRestriction`).

    The refusal is also raised when nobody waits in the agent's other departments: visitors may be waiting in the
    restricted ones, so NobodyWaiting would be misleading.
    """

    code = "taking_barred"

    def __init__(self, departments: str, why: str) -> None:
        message = _(
            "You can't take {departments} conversations yet. Required: {why}. Your supervisor can help."
        )
        self.text = format_lazy(message, departments=departments, why=why)
        super().__init__(str(self.text))


class NotFirstInQueue(Refusal):
    code = "not_first_in_line"
    text = _("Someone else has been waiting longer. Take the next conversation in the queue.")


class NotAvailable(Refusal):
    code = "not_available"
    text = _("This colleague is not online. Choose another colleague or a department.")


class NoConsoleOpen(Refusal):
    code = "no_console"
    text = _("No console of this agent is open. The agent must open it first.")


class WrapUpCodeMissing(Refusal):
    code = "wrap_up_code_missing"
    http_status = 422
    text = _("Choose a wrap-up code.")


class EmptyText(Refusal):
    code = "empty"
    http_status = 422
    text = _("There is nothing to send yet.")


TOO_LONG = {
    "": _("This request is larger than {limit} bytes. Shorten it."),
    "body": _("The text is longer than {limit} characters. Please send it in parts."),
    "choices": _("A button text is longer than {limit} characters. Shorten it."),
    "comment": _("The comment is longer than {limit} characters. Please shorten it."),
    "form": _("An answer in the form is longer than {limit} characters. Please shorten it."),
    "given": _("The answer is longer than {limit} characters. Shorten it."),
    "identity": _("The identity token is longer than {limit} characters. You can still chat with us."),
    "note": _("The note is longer than {limit} characters. Shorten it."),
    "q": _("The search text is longer than {limit} characters. Shorten it."),
    "reason": _("The reason is longer than {limit} characters. Shorten it."),
    "text": _("The question is longer than {limit} characters. Shorten it."),
}
OTHER_TOO_LONG = _("The field “{field}” is longer than {limit} characters. Shorten it.")


class TextTooLong(Refusal):
    """A text is too long. `field` is its name in the protocol or form, and `limit` is the maximum in characters.

    If `field` is "", the whole frame or request body is longer than `limit` bytes.
    """

    code = "too_long"
    http_status = 422

    def __init__(self, field: str, limit: int) -> None:
        message = TOO_LONG.get(field, OTHER_TOO_LONG)
        self.field, self.limit = field, limit
        self.text = format_lazy(message, field=field, limit=f"{limit:,}")
        super().__init__(f"{field} {limit}")


class UnfilledPlaceholder(Refusal):
    code = "unfilled_placeholder"
    http_status = 422
    text = _("Replace the placeholders in braces before you send.")


class ShortcutTaken(Refusal):
    code = "shortcut_taken"
    http_status = 422
    text = _("Another reply already has this shortcut. Choose a different one.")


class ClientIdReused(Refusal):
    code = "client_id_reused"
    text = _("This message was already sent with different text.")


class BadRequest(Refusal):
    code = "bad_frame"
    http_status = 400
    text = _("We could not understand this request. Please reload the page.")


def decoding_refusal(violation: LengthViolation | None) -> Refusal:
    """Return the refusal for a frame or body that could not be decoded: TextTooLong, EmptyText or BadRequest."""
    if violation is None:
        return BadRequest()
    return TextTooLong(violation.field, violation.limit) if violation.is_too_long else EmptyText()


class FormIncomplete(Refusal):
    code = "form_incomplete"
    text = _("Please fill in the required fields.")


class IdentityRefused(Refusal):
    code = "identity_refused"
    text = _("We could not confirm who you are. You can still chat with us.")


class RatingRefused(Refusal):
    code = "rating_refused"
    text = _("This conversation cannot be rated.")


class FileRefused(Refusal):
    code = "file_refused"
    http_status = 415
    text = _("This kind of file cannot be sent.")


class FileTooLarge(FileRefused):
    code = "file_too_large"
    http_status = 413
    text = _("This file is too large.")


class TooFast(Refusal):
    code = "too_fast"
    http_status = 429
    text = _("A little slower, please. We will send it in a moment.")
    retry_after_ms = 3000


class Unavailable(Refusal):
    """The request was not carried out in time, usually because the database did not answer. The client repeats it
    later."""

    code = "unavailable"
    http_status = 503
    text = _("Not sent yet. We'll keep trying.")
    retry_after_ms = 2000
