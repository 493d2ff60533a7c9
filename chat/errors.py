"""Why an action is refused. One class a reason; `code` goes over the wire, `words` are for the reader."""

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from chat.protocol import BrokenBound
from core.refusals import Refusal as Refusal


class NotFound(Refusal):
    """Missing, or not yours: the two look the same."""

    code = "not_found"
    words = _("This conversation does not exist, or it is not open to you.")


class ConversationClosed(Refusal):
    code = "closed"
    words = _("This conversation has ended. Start a new one to go on.")


class WrittenForAnotherConversation(ConversationClosed):
    """The post names a conversation that has ended, and another has begun since."""

    words = _("The chat you wrote this in has ended. You can send it in the new chat.")


class NotAssigned(Refusal):
    code = "not_assigned"
    words = _("Only the agent who has this conversation may do that.")


class AlreadyTaken(Refusal):
    code = "already_taken"
    words = _("A colleague has just taken this conversation.")


class NobodyWaiting(Refusal):
    code = "nobody_waiting"
    words = _("Nobody is waiting in your departments.")


class QueueRestricted(Refusal):
    """Somebody waits, or may, in a department of which the agent takes none for now (`accounts.QueueRestriction`)."""

    code = "taking_barred"

    def __init__(self, departments: str, why: str) -> None:
        said = _(
            "You take no conversations of {departments} for now; still missing: {why}. Your supervisor can help."
        )
        self.words = format_lazy(said, departments=departments, why=why)
        super().__init__(str(self.words))


class NotFirstInQueue(Refusal):
    code = "not_first_in_line"
    words = _("Somebody has been waiting longer. Take the next in line.")


class NotAvailable(Refusal):
    code = "not_available"
    words = _("This colleague is not online. Choose another, or a department.")


class WrapUpCodeMissing(Refusal):
    code = "wrap_up_code_missing"
    words = _("Choose a wrap-up code.")


class EmptyText(Refusal):
    code = "empty"
    words = _("There is nothing to send yet.")


TOO_LONG = {
    "": _("That is too much at once: at most {limit} bytes."),
    "body": _("The text is too long: at most {limit} characters. Please send it in parts."),
    "choices": _("One of the choices is too long: at most {limit} characters."),
    "comment": _("The comment is too long: at most {limit} characters."),
    "form": _("Something in the form is too long: at most {limit} characters."),
    "given": _("The answer is too long: at most {limit} characters."),
    "identity": _("The identity token is too long: at most {limit} characters. You can chat without it."),
    "note": _("The note is too long: at most {limit} characters."),
    "q": _("The search is too long: at most {limit} characters."),
    "reason": _("The reason is too long: at most {limit} characters."),
    "text": _("The question is too long: at most {limit} characters."),
}
OTHER_TOO_LONG = _("The field “{field}” is too long: at most {limit} characters.")


class TextTooLong(Refusal):
    """`field` as the protocol or the form names it; "" is the whole frame or body, whose `limit` is in bytes."""

    code = "too_long"

    def __init__(self, field: str, limit: int) -> None:
        said = TOO_LONG.get(field, OTHER_TOO_LONG)
        self.field, self.limit = field, limit
        self.words = format_lazy(said, field=field, limit=f"{limit:,}")
        super().__init__(f"{field} {limit}")


class UnfilledPlaceholder(Refusal):
    code = "unfilled_placeholder"
    words = _("A placeholder in braces is not filled yet.")


class ShortcutTaken(Refusal):
    code = "shortcut_taken"
    words = _("Another reply has this shortcut already.")


class ClientIdReused(Refusal):
    code = "client_id_reused"
    words = _("This message was sent already, with other words.")


class BadRequest(Refusal):
    code = "bad_frame"
    words = _("The chat did not understand that. Please reload the page.")


def refusal_of(bound: BrokenBound | None) -> Refusal:
    """The refusal of a frame or body: too long or empty where that is what is wrong, else not understood."""
    if bound is None:
        return BadRequest()
    return TextTooLong(bound.field, bound.limit) if bound.is_too_long else EmptyText()


class FormIncomplete(Refusal):
    code = "form_incomplete"
    words = _("Please fill in what is marked as required.")


class IdentityRefused(Refusal):
    code = "identity_refused"
    words = _("We could not confirm who you are. You can chat without it.")


class RatingRefused(Refusal):
    code = "rating_refused"
    words = _("This conversation cannot be rated.")


class FileRefused(Refusal):
    code = "file_refused"
    words = _("This kind of file cannot be sent.")


class FileTooLarge(FileRefused):
    code = "file_too_large"
    words = _("This file is too large.")


class TooFast(Refusal):
    code = "too_fast"
    words = _("A little slower, please. We will send it in a moment.")
    retry_after_ms = 3000


class Unavailable(Refusal):
    """The database did not answer; nothing is lost on the sender's side."""

    code = "unavailable"
    words = _("Not sent yet. We'll keep trying.")
    retry_after_ms = 2000
