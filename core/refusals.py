"""The base class of all refusals. It is in the lowest app, so that every app can use it."""

from django.utils.translation import gettext_lazy as _


class Refusal(Exception):
    """An action was refused. `code` is for scripts and `words` for people; the same action may be tried again after
    `retry_after_ms`, unless that is 0."""

    code = "refused"
    words = _("That isn't possible right now.")
    retry_after_ms = 0
