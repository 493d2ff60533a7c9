"""Tests of bidirectional control characters: in a user's text, they never reorder the text around it."""

from __future__ import annotations

import csv
import io
import re

import pytest
from django.test import Client

from chat.archive.transcript import transcript_of
from chat.canned_replies import values_for
from chat.models import Conversation
from core.text.bidi import close_marks, remove_marks
from tests.people import Cast, say, session_of, start, take_next_as

MARKS = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
RLO, PDF, RLI, PDI = "\u202e", "\u202c", "\u2067", "\u2069"
EVIL = f"王{PDI}{RLO}五{RLO}"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("您好 \u200fשלום", "您好 \u200fשלום"),
        (f"a{RLO}b", f"a{RLO}b{PDF}"),
        (f"a{RLO}b{PDF}c", f"a{RLO}b{PDF}c"),
        (f"{RLI}a{RLO}b", f"{RLI}a{RLO}b{PDF}{PDI}"),
        (f"{RLI}a{RLO}b{PDI}c", f"{RLI}a{RLO}b{PDI}c"),
        (f"{RLO}a{RLI}b{PDF}", f"{RLO}a{RLI}b{PDF}{PDI}{PDF}"),
        (f"{PDI}{PDF}a", f"{PDI}{PDF}a"),
        (f"{RLO}a\nb{RLI}\r\nc", f"{RLO}a{PDF}\nb{RLI}{PDI}\r\nc"),
    ],
)
def test_close_marks_closes_the_open_marks_of_each_paragraph(text: str, expected: str) -> None:
    assert close_marks(text) == expected
    assert close_marks(expected) == expected


def test_remove_marks_keeps_everything_else() -> None:
    assert remove_marks(f"evil{RLO}gpj.exe \u200e\u200dשלום") == "evilgpj.exe \u200e\u200dשלום"


@pytest.mark.both_databases
@pytest.mark.django_db
def test_visitor_name_reorders_nothing_in_transcript_reply_record_or_card(cast: Cast, client: Client) -> None:
    conversation = start(cast, name=EVIL)
    take_next_as(staff=cast.mei)
    say(conversation, "您好")
    conversation.refresh_from_db()
    headings = [line for line in transcript_of(conversation).splitlines() if not line.startswith("    ")]
    assert any("王五" in line for line in headings)
    assert not [line for line in headings if re.search(f"[{MARKS}]", line)]
    assert values_for(conversation, cast.mei)["visitor_name"] == "王五"

    client.cookies["sessionid"] = session_of(cast.wen)
    for address in ("", f"{conversation.pk}/change/"):
        page = client.get(f"/admin/chat/conversation/{address}").content.decode()
        # Wherever the name occurs unchanged, an element around it must isolate it.
        for match in re.finditer(re.escape(EVIL), page):
            before = page[: match.start()].rstrip()
            assert before.endswith(("<bdi>", '<dd dir="auto">')), before[-60:]
        assert EVIL in page
    client.cookies["sessionid"] = session_of(cast.mei)
    card = client.get(f"/console/conversations/{conversation.uuid}/card").content.decode()
    assert f'<p class="card-name" dir="auto">{EVIL}</p>' in card


@pytest.mark.django_db
def test_export_closes_the_open_marks_of_a_name(cast: Cast, client: Client) -> None:
    conversation = start(cast, name=EVIL)
    take_next_as(staff=cast.mei)
    client.cookies["sessionid"] = session_of(cast.wen)
    form = {"resource": "0", "format": "1"}
    page = client.get("/admin/chat/conversation/export/").content.decode()
    form |= dict.fromkeys(re.findall(r'type="checkbox" name="([^"]+)"', page), "on")
    table = client.post("/admin/chat/conversation/export/", form).content.decode("utf-8-sig")
    rows = list(csv.reader(io.StringIO(table)))
    assert Conversation.objects.get() == conversation
    assert [cell for cell in rows[1] if "王" in cell] == [EVIL + PDF + PDF]
