"""The base class of all refusals. It is in the lowest app, so that every app can use it."""

from django.utils.translation import gettext_lazy as _


class Refusal(Exception):
    """An action was refused. `code` is for scripts and `text` for people.

    The same action may be tried again after `retry_after_ms`, unless that is 0. When a text was too long, `field` names
    it and `limit` is the maximum length.
    """

    code = "refused"
    text = _("That isn't possible right now.")
    retry_after_ms = 0
    field = ""
    limit = 0
