"""The texts of the console's scripts in the reader's language. Pages carry them as JSON."""

from django.utils.translation import gettext as _

from chat.widget.ui_strings import message_strings


def inbox_strings() -> dict[str, str]:
    return {
        **_message_strings(),
        **_list_strings(),
        **_composer_strings(),
        **_connection_strings(),
        **_drill_strings(),
    }


def _message_strings() -> dict[str, str]:
    return message_strings() | {
        "you": _("Me"),
        "choices": _("Reply buttons"),
        "retry": _("Send again"),
        "discard": _("Discard"),
        "edit": _("Edit in the message box"),
        "note": _("Note for colleagues"),
        "is_typing": _("{name} is typing …"),
        "ended_by_visitor": _("The customer ended the conversation. Choose a wrap-up code to close it."),
        "ended_by_agent": _("You ended the conversation. Choose a wrap-up code to close it."),
        "closed": _("This conversation is closed. You can still read it."),
        "not_mine": _("{name} is handling this conversation. You can only read it."),
        "waiting_first": _("This customer is waiting. Take the conversation to answer."),
        "waiting_barred": _(
            "You can't take conversations from this department until you pass the required exam."
        ),
    }


def _list_strings() -> dict[str, str]:
    return {
        "anonymous": _("Anonymous"),
        "claimed": _("Name not verified"),
        "verified": _("Verified"),
        "nameless": _("Visitor {id}"),
        "unread": _("{count} unread"),
        "wrap_up": _("wrap-up"),
        "seconds": _("{count} s"),
        "minutes": _("{count} min"),
        "hours": _("{count} h {minutes} min"),
        "more_waiting": _("and {count} more"),
        "barred": _("exam required"),
        "took": _("You took the conversation with {name}."),
        "moved": _("Conversation transferred."),
        "typed_before": _("Your earlier text has been restored."),
        "closed_done": _("Conversation closed."),
    }


def _composer_strings() -> dict[str, str]:
    return {
        "unfilled": _("Placeholders not filled in: {names}. Replace them with text or remove them."),
        "unknown": _("Unknown placeholders: {names}. Press Enter again to send the message as it is."),
        "too_long": _("{count} characters too many"),
        "no_reply_found": _("No matching reply."),
        "no_point": _("Nothing found. Try other words."),
        "no_likely": _("No suggested answer yet. Your searches and replies help to create one."),
        "staff_only": _("For staff only:"),
        "valid_until": _("valid until {day}"),
        "insert": _("Insert into the message"),
        "helped": _("Helpful"),
        "not_helped": _("Not helpful"),
        "open_point": _("Open"),
        "noted": _("Thank you for your feedback."),
        "taken_back": _("Press Esc to remove the inserted answer."),
        "personal": _("mine"),
        "department": _("department"),
        "shared": _("shared"),
        "uploading": _("Sending {name} …"),
        "upload_waits": _("Waiting to be sent"),
        "cancel": _("Cancel"),
        "send": _("Send"),
        "upload_failed": _("{name} was not sent: {words}"),
        "copied": _("Copied."),
        "too_few_choices": _("Add two to four buttons, each with different text."),
    }


def _connection_strings() -> dict[str, str]:
    return {
        "connecting": _("Connecting …"),
        "open": _("Connected"),
        "lost": _("No connection"),
        "ended": _("Signed out"),
        "presence_set": _("{name} has changed your state: {presence}"),
        "recovered": _("Connected again. Missed messages load automatically."),
        "lost_bar": _(
            "No connection. What you write is kept and sent automatically when you are back online."
        ),
        "unsent_bar": _("Messages not sent yet: {count}. They are kept and sent automatically."),
        "lost_unsent_bar": _(
            "No connection. Messages not sent yet: {count}. They are kept here and sent automatically "
            "when you are back online."
        ),
        "ended_bar": _("You are signed out. What you wrote is kept in this tab. Sign in again to continue."),
        "sign_out_unsent": _(
            "Messages not sent yet: {count}. If you sign out now, they are lost. Sign out anyway?"
        ),
        "failed": _("That did not work. Please try again."),
        "offline_write": _("No connection. Please try again in a moment."),
        "new_message": _("New message"),
    }


def _drill_strings() -> dict[str, str]:
    return {
        "drill_full": _("Correct."),
        "drill_part": _("Partly correct. The full answer:"),
        "drill_none": _("Not quite. The correct answer:"),
        "drill_next": _("Next question ({left} left today)"),
        "drill_done": _("Done for today"),
        "drill_unread": _("The question could not be loaded. Try again."),
        "drill_unsent": _("Your answer was not sent, but it is still here. Try again."),
    }


def exam_strings() -> dict[str, str]:
    return {
        "saved": _("Saved"),
        "unsaved": _("Not saved yet. Your answers are kept here."),
        "signed_out": _(
            "You are signed out. Your answers are kept here. Sign in again in another tab, then come back."
        ),
        "newer_elsewhere": _("Question {place} was answered in another tab. That answer is now shown here."),
        "time_left": _("{time} left"),
        "time_over": _("Time is up. Handing in your answers …"),
        "not_handed_in": _("No connection. Your paper is not handed in yet. Trying again …"),
        "answered": _("{count} of {all} answered"),
        "all_answered": _("All questions are answered."),
        "some_missing": _("Questions without an answer: {count}."),
        "five_minutes": _("Five minutes left."),
        "up": _("Move up"),
        "down": _("Move down"),
        "moved": _("Moved to position {place}."),
    }


def board_strings() -> dict[str, str]:
    return {
        "connecting": _("Connecting …"),
        "open": _("Live"),
        "lost": _("No connection. These figures may be outdated."),
        "ended": _("Signed out"),
        "emergencies": _("Emergencies to confirm: {count}"),
        "offline_write": _("No connection. Please try again in a moment."),
        "failed": _("That did not work. Please try again."),
    }
