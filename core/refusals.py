"""The base class of all refusals. A refusal is the answer "no" to a request, with a code and a text for the reader."""

from django.utils.translation import gettext_lazy as _


class Refusal(Exception):
    """An action was refused. `code` is for scripts, `text` for people, and `http_status` for HTTP.

    If `retry_after_ms` is not 0, the same action may be tried again after that time. If a text was too long, `field` is
    the name of its field and `limit` its maximum length.
    """

    code = "refused"
    http_status = 409
    text = _("That isn't possible right now.")
    retry_after_ms = 0
    field = ""
    limit = 0
