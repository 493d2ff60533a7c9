"""The texts of the console's scripts in the reader's language. Pages carry them as JSON."""

from django.utils.translation import gettext as _

from chat.widget.ui_strings import message_strings


def inbox_strings() -> dict[str, str]:
    return {
        **_message_strings(),
        **_list_strings(),
        **_routing_strings(),
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
        "abandoned": _(
            "This customer is away and has left the queue. If they return in time, they wait again."
        ),
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
        "left": _("left {time} ago"),
        "more_waiting": _("and {count} more"),
        "barred": _("exam required"),
        "took": _("You took the conversation with {name}."),
        "moved": _("Conversation transferred."),
        "typed_before": _("Your earlier text has been restored."),
        "closed_done": _("Conversation closed."),
    }


def _routing_strings() -> dict[str, str]:
    return {
        "workload": _("{load} of {capacity}"),
        "asleep": _("{count} asleep"),
        "pause": _("pause: {count} s"),
        "not_online": _("Go online to take conversations."),
        "barred_everywhere": _("You can't take conversations until you pass the required exam."),
        "at_capacity": _("You have reached your capacity. Close a conversation to take another one."),
        "push_only": _("New conversations are assigned to you automatically."),
        "not_first": _("Someone else has been waiting longer. Take the next conversation in the queue."),
        "offered_elsewhere": _("This conversation is offered to a colleague."),
        "offered": _("offered"),
        "offered_to": _("offered to {name}"),
        "offer_first": _("This conversation is offered to you. Accept it, or start writing."),
        "offer_expired": _("The offer has expired. {name} keeps the place in the queue."),
        "offer_taken": _("A colleague has taken the conversation with {name}."),
        "offer_withdrawn": _("The conversation with {name} is no longer offered to you."),
        "offer_left": _("{name} has left the queue."),
        "declined": _("You declined the conversation with {name}. Another agent gets the offer."),
        "reason_emergency": _("Emergency: {reason}"),
        "reason_skill": _("Needs: {skill}"),
        "reason_language": _("Writes English"),
        "rule_last_agent": _("You helped this customer before"),
        "rule_least_busy": _("You have the most free capacity"),
        "alert_emergency": _("Emergency"),
        "alert_offer": _("New offer"),
        "alert_gained": _("Conversation handed to you"),
        "alert_lost": _("Conversation taken from you"),
        "alert_waiting": _("Customer waiting"),
        "alert_unread": _("New message"),
        "attention_emergency": _("Emergency: {name}, {department}. Reason: {reason}"),
        "attention_offer": _("A conversation with {name} is offered to you."),
        "attention_gained": _("{by} handed you the conversation with {name}."),
        "attention_gained_by_router": _("You have a new conversation with {name}."),
        "attention_lost_to_taker": _("{by} has taken over your conversation with {name}."),
        "attention_lost_to_agent": _("{by} has given your conversation with {name} to {agent}."),
        "attention_lost_to_queue": _(
            "{by} has put your conversation with {name} into the queue of {department}."
        ),
        "attention_lost_by_router": _(
            "Your conversation with {name} went back to the queue: you were not there."
        ),
        "attention_waiting": _("{name} has been waiting for a long time."),
        "attention_unread": _("New message from {name}."),
        "long_waiting": _("Waiting longer than {minutes} min: {count}"),
        "open_it": _("Open"),
        "seen_it": _("OK"),
        "emergency": _("Emergency"),
        "emergency_reason_by_hand": _("raised by an agent"),
        "emergency_raised": _("Emergency, not confirmed"),
        "emergency_confirmed": _("Confirmed emergency"),
        "emergency_raise_done": _("Emergency raised. The supervisors are alerted."),
        "emergency_confirm_done": _("Emergency confirmed."),
        "emergency_lower_done": _("No longer marked as an emergency."),
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
