"""The recipients of a point as a CSV file, so that the bank can contact them."""

import csv
from io import StringIO

from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext

from chat.archive.exports import MAX_ROWS, TooManyRows, quote_formula
from knowledge.models import Point
from knowledge.selectors_recipients import Recipient, RecipientFilter, recipient_rows, recipients_of

RECIPIENT_COLUMNS = (
    gettext_lazy("customer reference"),
    gettext_lazy("visitor"),
    gettext_lazy("identity"),
    gettext_lazy("conversation"),
    gettext_lazy("time"),
    gettext_lazy("version"),
    gettext_lazy("text changed by the agent"),
    gettext_lazy("agent"),
    gettext_lazy("message sent"),
)


def recipients_file(point: Point, wanted: RecipientFilter) -> tuple[bytes, int]:
    """Return the file and the number of its rows. Raises TooManyRows.

    The file is CSV in UTF-8 with a byte order mark; formulas are quoted as in `chat.archive.exports`.
    """
    messages = list(recipients_of(point, wanted)[: MAX_ROWS + 1])
    if len(messages) > MAX_ROWS:
        message = ngettext(
            "The export has more than %(count)d row. Narrow it with the filters, for example by date.",
            "The export has more than %(count)d rows. Narrow it with the filters, for example by date.",
            MAX_ROWS,
        )
        raise TooManyRows(message % {"count": MAX_ROWS})
    text = StringIO()
    writer = csv.writer(text)
    writer.writerow([str(column) for column in RECIPIENT_COLUMNS])
    writer.writerows([quote_formula(value) for value in _row(row)] for row in recipient_rows(messages))
    return text.getvalue().encode("utf-8-sig", "replace"), len(messages)


def _row(row: Recipient) -> list[str]:
    message = row.message
    visitor = message.conversation.visitor
    return [
        visitor.customer_reference,
        visitor.name,
        str(visitor.level_now().label),
        str(message.conversation.uuid),
        f"{timezone.localtime(message.at):%Y-%m-%d %H:%M:%S}",
        str(row.number),
        _("yes") if row.is_edited else _("no"),
        f"{message.author_name} {message.agent.number if message.agent else ''}".strip(),
        message.body,
    ]
