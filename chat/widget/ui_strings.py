"""The texts of the widget: the bank's own where it has set them in admin, otherwise the built-in ones."""

from datetime import datetime

from django.utils import timezone
from django.utils.translation import gettext as _

from chat.models import Site, TextCode


def business_texts(site: Site, language: str) -> dict[str, str]:
    """Return the text of each TextCode in the language (`zh` or `en`). One query.

    `language` must also be the active translation, which supplies the built-in texts.
    """
    return _built_in() | dict(site.texts.filter(language=language).values_list("code", "body"))


def greeting_code(at: datetime | None = None) -> TextCode:
    """Return the greeting for the hour in the bank's time zone."""
    hour = timezone.localtime(at).hour
    if 5 <= hour < 12:
        return TextCode.GREETING_MORNING
    if 12 <= hour < 18:
        return TextCode.GREETING_AFTERNOON
    if 18 <= hour < 23:
        return TextCode.GREETING_EVENING
    return TextCode.GREETING_NIGHT


def _built_in() -> dict[str, str]:
    return {
        TextCode.GREETING_MORNING: _("Good morning. How can we help?"),
        TextCode.GREETING_AFTERNOON: _("Good afternoon. How can we help?"),
        TextCode.GREETING_EVENING: _("Good evening. What can we do for you?"),
        TextCode.GREETING_NIGHT: _("It's late, and we're here. Tell us what happened."),
        TextCode.PRIVACY: _(
            "Please don't write passwords, codes or full card numbers. We never ask for them."
        ),
        TextCode.WAITING: _("We're finding someone for you. No need to watch the screen."),
        TextCode.NOBODY: _(
            "Nobody is online right now. Leave a message and we'll answer as soon as we're back."
        ),
        TextCode.ENDED: _("This chat has ended. Come back whenever you need us."),
        TextCode.RATING: _("Did we help you this time?"),
    }


def message_strings() -> dict[str, str]:
    """Return the texts of static/chat/message-element.js. The console replaces two of them."""
    return {
        "you": _("You"),
        "number": _("No. {number}"),
        "choices": _("Quick answers"),
        "map": _("Map"),
        "today": _("Today"),
        "yesterday": _("Yesterday"),
        "sending": _("Not sent yet"),
        "sent": _("Sent"),
        "delivered": _("Delivered"),
        "read": _("Read"),
        "refused": _("Not sent"),
    }


def widget_strings() -> dict[str, str]:
    """Return the texts that the widget's scripts show."""
    return message_strings() | {
        "connecting": _("Connecting…"),
        "lost": _("No connection. We're reconnecting, and nothing you wrote is lost."),
        "over": _("This chat isn't available. Please call us."),
        "waiting": _("Finding someone for you"),
        "place": _("You're number {place} in the queue"),
        "estimate": _("You're number {place}, about {minutes} min"),
        "nobody": _("We'll answer as soon as someone is here"),
        "is_typing": _("{name} is typing…"),
        "ended": _("This chat has ended"),
        "missing": _("Fill this in first."),
        "too_long": _("That is too long. Please send it in parts."),
        "retry": _("Try again"),
        "send_anew": _("Send in a new chat"),
        "file_kind": _("This kind of file cannot be sent."),
        "file_size": _("This file is larger than {megabytes} MB."),
        "file_lost": _("Not sent. Check your connection and try again."),
        "cancel": _("Cancel"),
        "remove": _("Remove"),
        "send": _("Send"),
        "transcript": _("chat.txt"),
        "no_transcript": _("The chat couldn't be saved. Try again."),
        "thanks": _("Thanks for your feedback."),
    }


def rating_strings() -> list[tuple[int, str]]:
    """Return the scores of the rating, each with its meaning."""
    meanings = [_("Very unhappy"), _("Unhappy"), _("Neutral"), _("Happy"), _("Very happy")]
    return list(enumerate(meanings, start=1))
