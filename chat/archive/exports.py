"""Exports of conversations and transcripts as tables.

Spreadsheet programs execute a cell whose text begins like a formula (OWASP ASVS 5.0, 1.2.10). Every text that begins
with one of STARTERS, or with an apostrophe, therefore gets an apostrophe in front. To get the stored text back, remove
the apostrophe from every text that begins with one.

Open bidirectional marks in a text are closed, because they would reverse the columns that follow. The text of a message
is left as it is, because it is the last column.
"""

import re
from datetime import datetime
from typing import Any

from django.db.models import QuerySet
from django.utils import timezone
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from import_export.fields import Field
from import_export.formats.base_formats import CSV, XLSX
from import_export.resources import Resource

from chat.models import Conversation, Message
from core.text.bidi import close_marks

MAX_ROWS = 20_000
STARTERS = "=+-@\t\r\n\x00|%＝＋－＠"
# Characters that XML cannot contain or would change, and text that looks like the escape of such a character (ECMA-376,
# ST_Xstring).
_UNSAFE_IN_XML = re.compile("[\x00-\x08\x0b-\x1f\ufffe\uffff\ud800-\udfff]|_(?=x[0-9A-Fa-f]{4}_)")


def quote_formula(text: str) -> str:
    """Return the text, with an apostrophe in front if a spreadsheet program could execute it as a formula.

    A text that already begins with an apostrophe also gets one, so that the stored text can be recovered.
    """
    return "'" + text if text.startswith(("'", *STARTERS)) else text


class TooManyRows(ValueError):
    """Raised when an export has more than MAX_ROWS rows, or is based on a search with too many results. Admin shows the
    error's message and exports nothing."""


class Table(Resource):
    """Base class of exports: at most MAX_ROWS rows, times in local time, and texts quoted so that none runs as a
    formula."""

    def export_field(self, field: Any, instance: Any, **kwargs: Any) -> Any:
        value = field.get_value(instance)
        if value is None:
            return ""
        if isinstance(value, datetime):
            return f"{timezone.localtime(value):%Y-%m-%d %H:%M:%S}"
        if isinstance(value, int):
            return value
        # Bidirectional marks in the body may stay open, because the body is the last column. In other columns they must
        # be closed, because more text follows on the same line of a CSV file.
        text = str(value) if field.attribute == "body" else close_marks(str(value))
        return quote_formula(text)

    def bounded(self, queryset: "QuerySet[Any]") -> "QuerySet[Any]":
        if queryset.order_by()[: MAX_ROWS + 1].count() > MAX_ROWS:
            message = ngettext(
                "The export has more than %(count)d row. Narrow it with the filters, for example by date.",
                "The export has more than %(count)d rows. Narrow it with the filters, for example by date.",
                MAX_ROWS,
            )
            raise TooManyRows(message % {"count": MAX_ROWS})
        return queryset


def _column(heading: Any, path: str) -> Field:
    return Field(attribute=path, column_name=heading)


class ConversationTable(Table):
    """The export of conversations, with one row for each conversation."""

    number = _column(gettext_lazy("conversation"), "uuid")
    site = _column(gettext_lazy("site"), "site__name_zh")
    department = _column(gettext_lazy("department"), "department__code")
    status = _column(gettext_lazy("status"), "status")
    language = _column(gettext_lazy("language"), "language")
    level = _column(gettext_lazy("identity"), "visitor__level")
    verified_at = _column(gettext_lazy("identity verified"), "verified_at")
    reference = _column(gettext_lazy("customer reference"), "visitor__customer_reference")
    visitor = _column(gettext_lazy("visitor"), "visitor__name")
    subject = _column(gettext_lazy("subject"), "subject")
    agent_number = _column(gettext_lazy("staff number"), "agent__number")
    agent = _column(gettext_lazy("agent"), "agent__name")
    started_at = _column(gettext_lazy("started"), "started_at")
    assigned_at = _column(gettext_lazy("first assigned"), "assigned_at")
    first_response_at = _column(gettext_lazy("first answered"), "first_response_at")
    ended_at = _column(gettext_lazy("ended"), "ended_at")
    ended_by = _column(gettext_lazy("ended by"), "ended_by")
    closed_at = _column(gettext_lazy("closed"), "closed_at")
    visitor_messages = _column(gettext_lazy("messages from the visitor"), "visitor_message_count")
    agent_messages = _column(gettext_lazy("messages from agents"), "agent_message_count")
    code = _column(gettext_lazy("wrap-up code"), "wrap_up_code__code")
    comment = _column(gettext_lazy("wrap-up comment"), "wrap_up_comment")
    score = _column(gettext_lazy("score"), "rating__score")
    score_comment = _column(gettext_lazy("rating comment"), "rating__comment")
    digest = _column(gettext_lazy("checksum"), "digest")

    @classmethod
    def get_display_name(cls) -> str:
        return _("Conversations: one row per conversation")

    def filter_export(self, queryset: QuerySet[Conversation], **kwargs: Any) -> QuerySet[Conversation]:
        return self.bounded(queryset).select_related(
            "site", "department", "visitor", "agent", "wrap_up_code", "rating"
        )


class TranscriptTable(Table):
    """The export of the messages of conversations, in order, with one row for each message."""

    number = _column(gettext_lazy("conversation"), "conversation__uuid")
    seq = _column(gettext_lazy("message no."), "seq")
    at = _column(gettext_lazy("time"), "at")
    role = _column(gettext_lazy("author"), "author_role")
    name = _column(gettext_lazy("author's name"), "author_name")
    agent_number = _column(gettext_lazy("staff number"), "agent__number")
    kind = _column(gettext_lazy("kind"), "kind")
    body = _column(gettext_lazy("text"), "body")

    @classmethod
    def get_display_name(cls) -> str:
        return _("Transcripts: one row per message")

    def filter_export(self, queryset: QuerySet[Conversation], **kwargs: Any) -> QuerySet[Message]:
        messages = Message.objects.filter(conversation__in=queryset.order_by().values("pk"))
        return self.bounded(messages).select_related("conversation", "agent").order_by("conversation", "seq")


class CsvFile(CSV):
    """CSV format in UTF-8 with a byte order mark. Without the mark, a Chinese Excel assumes another encoding."""

    def export_data(self, dataset: Any, **kwargs: Any) -> bytes:
        text: str = super().export_data(dataset, **kwargs)
        return text.encode("utf-8-sig", "replace")

    def is_binary(self) -> bool:
        return True

    def get_content_type(self) -> str:
        return "text/csv; charset=utf-8"


class XlsxFile(XLSX):
    """XLSX format. A character that XML cannot contain is written as _xHHHH_, which spreadsheet programs understand."""

    def export_data(self, dataset: Any, **kwargs: Any) -> bytes:
        for index, row in enumerate(dataset):
            dataset[index] = [_in_xml(value) if isinstance(value, str) else value for value in row]
        data: bytes = super().export_data(dataset, **kwargs)
        return data


def _in_xml(text: str) -> str:
    return _UNSAFE_IN_XML.sub(lambda match: f"_x{ord(match[0]):04X}_", text)
