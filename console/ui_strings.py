"""The words of the console's scripts, in the reader's language. The page carries them as JSON."""

from django.utils.translation import gettext as _


def inbox_strings() -> dict[str, str]:
    return {
        **_message_words(),
        **_list_words(),
        **_composer_words(),
        **_line_words(),
        **_drill_words(),
    }


def _message_words() -> dict[str, str]:
    return {
        "you": _("Me"),
        "number": _("No. {number}"),
        "choices": _("Quick replies"),
        "map": _("Map"),
        "today": _("Today"),
        "yesterday": _("Yesterday"),
        "sending": _("Not sent yet"),
        "sent": _("Sent"),
        "delivered": _("Delivered"),
        "read": _("Read"),
        "refused": _("Not sent"),
        "retry": _("Send again"),
        "discard": _("Discard"),
        "edit": _("Back to the composer"),
        "note": _("Note for colleagues"),
        "is_typing": _("{name} is typing …"),
        "ended_by_visitor": _("The customer has ended the conversation. Choose a wrap-up code to close it."),
        "ended_by_agent": _("You have ended the conversation. Choose a wrap-up code to close it."),
        "closed": _("This conversation is closed; you can read it here."),
        "not_mine": _("{name} has this conversation; you are reading along."),
        "waiting_first": _("This customer is waiting. Take the conversation to answer."),
        "waiting_barred": _("You take nobody from this department until you have passed the required exam."),
    }


def _list_words() -> dict[str, str]:
    return {
        "anonymous": _("Anonymous"),
        "claimed": _("Says a name"),
        "verified": _("Verified"),
        "nameless": _("Visitor {id}"),
        "unread": _("{count} unread"),
        "wrap_up": _("wrap-up"),
        "seconds": _("{count} s"),
        "minutes": _("{count} min"),
        "hours": _("{count} h {minutes} min"),
        "more_waiting": _("and {count} more"),
        "barred": _("exam first"),
        "took": _("You have taken the conversation of {name}."),
        "moved": _("The conversation has been handed over."),
        "typed_before": _("What you typed here before is in the form again."),
        "closed_done": _("Closed."),
    }


def _composer_words() -> dict[str, str]:
    return {
        "unfilled": _("Not filled: {names}. Put the words in, or take it out."),
        "unknown": _("Is {names} meant to go out like this? Press Enter again to send it."),
        "too_long": _("{count} characters too many"),
        "no_reply_found": _("No reply fits."),
        "no_point": _("Nothing found. Other words?"),
        "no_likely": _("No answer is kept for this. What you look for and send helps to make one."),
        "staff_only": _("For staff only:"),
        "valid_until": _("valid until {day}"),
        "insert": _("Put it into the message"),
        "helped": _("It helped"),
        "not_helped": _("It did not"),
        "open_point": _("Open"),
        "noted": _("Noted, thank you."),
        "taken_back": _("Esc takes the answer out again."),
        "personal": _("mine"),
        "department": _("department"),
        "shared": _("everybody's"),
        "uploading": _("Sending {name} …"),
        "upload_waits": _("Waiting to be sent"),
        "cancel": _("Cancel"),
        "send": _("Send"),
        "upload_failed": _("{name} was not sent: {words}"),
        "copied": _("Copied."),
        "too_few_choices": _("Two to four buttons, each with its own words."),
    }


def _line_words() -> dict[str, str]:
    return {
        "connecting": _("Connecting …"),
        "open": _("Connected"),
        "lost": _("No connection"),
        "ended": _("Signed out"),
        "recovered": _("Connected again. What was missed is filled in by itself."),
        "lost_bar": _(
            "The connection is down. What you write is kept and goes out by itself when it is back."
        ),
        "unsent_bar": _("{count} not sent yet. Nothing is lost; it goes out by itself."),
        "lost_unsent_bar": _(
            "The connection is down. {count} not sent yet: kept here, and sent when it is back."
        ),
        "ended_bar": _("You are signed out. What you wrote is kept in this tab: sign in again to go on."),
        "sign_out_unsent": _("{count} not sent yet. Sign out all the same, and lose it?"),
        "failed": _("That did not work. Please try again."),
        "offline_write": _("No connection. Please try again in a moment."),
        "new_message": _("New message"),
    }


def _drill_words() -> dict[str, str]:
    return {
        "drill_full": _("Right."),
        "drill_part": _("Partly right. All that is right:"),
        "drill_none": _("Not this time. Right is:"),
        "drill_next": _("Another one ({left} left today)"),
        "drill_done": _("Done for today"),
        "drill_unread": _("The question could not be loaded."),
        "drill_unsent": _("Your answer was not sent. It is still here."),
    }


def exam_strings() -> dict[str, str]:
    return {
        "saved": _("Saved"),
        "unsaved": _("Not saved yet; kept here."),
        "signed_out": _(
            "You are signed out. Your answers are kept here: sign in in another tab, then come back."
        ),
        "newer_elsewhere": _("Question {place} was answered in another tab; its answer is shown here now."),
        "time_left": _("{time} left"),
        "time_over": _("The time is over. Handing in what was saved …"),
        "not_handed_in": _("Not handed in yet: no connection. Trying again …"),
        "answered": _("{count} of {all} answered"),
        "all_answered": _("All questions are answered."),
        "some_missing": _("{count} questions have no answer yet."),
        "five_minutes": _("Five minutes left."),
        "up": _("Up"),
        "down": _("Down"),
        "moved": _("Now in place {place}."),
    }
