"""The base of every refusal. It lives in the lowest app, so that each app can refuse in the same way."""

from django.utils.translation import gettext_lazy as _


class Refusal(Exception):
    """An action that may not be done now. With `retry_after_ms` the same may be tried again.

    `field` and `limit` name what was too long, and how long it may be.
    """

    code = "refused"
    words = _("That is not possible just now.")
    retry_after_ms = 0
    field = ""
    limit = 0
