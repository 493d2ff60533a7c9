"""Refusals of routing actions, one class for each reason, as in `chat.errors`."""

from django.utils.text import format_lazy
from django.utils.translation import gettext_lazy as _

from core.refusals import Refusal


class NotOnline(Refusal):
    code = "not_online"
    text = _("You are not online. Go online first.")


class AtCapacity(Refusal):
    """The agent already has as many conversations as their capacity allows."""

    code = "at_capacity"

    def __init__(self, load: int, capacity: int) -> None:
        message = _("You already have {load} of {capacity} conversations. Close one first.")
        self.text = format_lazy(message, load=load, capacity=capacity)
        super().__init__(f"{load} {capacity}")


class ColleagueAtCapacity(Refusal):
    code = "colleague_at_capacity"
    text = _("This colleague has no free capacity. Choose another colleague or a department.")


class OfferEnded(Refusal):
    code = "offer_ended"
    text = _("This offer has ended.")
