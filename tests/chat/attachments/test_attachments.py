"""Tests of attachments: type detection, the rights to send and read files, and no file stored twice or left behind."""

from __future__ import annotations

import os
import struct
import time
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO, StringIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from uuid import uuid4

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import connection
from django.test import Client, override_settings
from PIL import Image

from accounts.models import Staff
from chat import limits
from chat.actions import agents
from chat.actions.attachments import send_file_as_agent, send_file_as_visitor
from chat.attachments import file_types
from chat.attachments.file_types import clean_name, examine
from chat.errors import ClientIdReused, ConversationClosed, FileRefused, FileTooLarge, NotAssigned, NotFound
from chat.models import Attachment, Conversation, Message, Site
from chat.realtime.writer import Writer
from chat.widget.tokens import token_for
from tests.harness.files import pdf
from tests.people import Cast, go_online, session_of, start, start_with

pytestmark = pytest.mark.django_db(transaction=True)

PDF = pdf()


@pytest.fixture(autouse=True)
def _media(tmp_path: Path) -> Any:
    with override_settings(MEDIA_ROOT=tmp_path / "media"):
        yield


@pytest.fixture(autouse=True)
def _own_writer(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each test its own writer thread.

    At the end, the writer stops and closes its connection, so that the test database can be dropped.
    """
    writer = Writer()
    monkeypatch.setattr("chat.actions.attachments.writer", writer)
    yield
    assert writer.stop(20)


@pytest.fixture(autouse=True)
def _fresh_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chat.widget.attachment_views._uploads", limits.Buckets(limits.uploads))
    monkeypatch.setattr("chat.widget.attachment_views._transcripts", limits.Buckets(limits.transcripts))


def picture(kind: str = "PNG", size: tuple[int, int] = (40, 20), **options: Any) -> bytes:
    content = BytesIO()
    Image.linear_gradient("L").resize(size).convert("RGB").save(content, kind, **options)
    return content.getvalue()


def uploaded(content: bytes, name: str = "card.png") -> SimpleUploadedFile:
    return SimpleUploadedFile(name, content, "text/html")


def stored_files(folder: Path) -> list[Path]:
    return [path for path in (folder / "media").rglob("*") if path.is_file()]


def bearer(conversation: Conversation) -> dict[str, str]:
    token = token_for(conversation.visitor.uuid, conversation.site.key)
    return {"Authorization": f"Bearer {token}"}


def post(
    client: Client, conversation: Conversation, content: bytes, name: str = "card.png", **fields: Any
) -> Any:
    form = {
        "file": uploaded(content, name),
        "client_id": uuid4(),
        "conversation": conversation.uuid,
        **fields,
    }
    return client.post("/chat/attachments", form, headers=bearer(conversation))


# -- checking a file -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "content_type", "ending"),
    [
        ("JPEG", "image/jpeg", ".jpg"),
        ("PNG", "image/png", ".png"),
        ("WEBP", "image/webp", ".webp"),
        ("GIF", "image/png", ".png"),
    ],
)
def test_picture_type_is_detected_from_its_bytes_not_its_name(
    kind: str, content_type: str, ending: str
) -> None:
    examined = examine(Site(), uploaded(picture(kind), "statement.html"))
    assert (examined.content_type, examined.width, examined.height) == (content_type, 40, 20)
    assert examined.name == "statement.html" + ending
    with Image.open(BytesIO(examined.content)) as opened:
        assert opened.get_format_mimetype() == content_type


def test_metadata_of_a_picture_is_removed_and_its_orientation_applied() -> None:
    source = Image.new("RGB", (60, 30), "white")
    source.paste((200, 0, 0), (0, 0, 20, 10))
    exif = Image.Exif()
    exif[0x0112] = 6  # EXIF orientation 6: show the picture rotated by 90 degrees clockwise.
    exif[0x010F] = "SECRET-CAMERA"
    exif.get_ifd(0x8825)[1] = "N"
    content = BytesIO()
    source.save(
        content, "JPEG", exif=exif, comment=b"SECRET-COMMENT", icc_profile=b"SECRET-PROFILE" * 20, quality=95
    )
    assert b"SECRET-CAMERA" in content.getvalue()
    examined = examine(Site(), uploaded(content.getvalue(), "IMG_1.jpeg"))
    assert (examined.width, examined.height, examined.name) == (30, 60, "IMG_1.jpg")
    assert b"SECRET" not in examined.content
    with Image.open(BytesIO(examined.content)) as opened:
        assert not opened.getexif()
        assert not {"exif", "icc_profile", "comment", "gps"} & set(opened.info)
        pixel: Any = opened.convert("RGB").getpixel((25, 5))
        assert pixel[0] > 150 > pixel[1]


def test_png_text_and_trailing_data_are_removed() -> None:
    from PIL.PngImagePlugin import PngInfo

    notes = PngInfo()
    notes.add_text("Author", "SECRET-AUTHOR")
    data = picture("PNG", pnginfo=notes) + b"<script>alert('SECRET')</script>"
    assert b"SECRET" not in examine(Site(), uploaded(data)).content


def test_animation_keeps_its_first_frame_and_transparency() -> None:
    frames = [Image.new("RGBA", (10, 10), colour) for colour in ((255, 0, 0, 0), (0, 0, 255, 255))]
    content = BytesIO()
    frames[0].save(content, "GIF", save_all=True, append_images=frames[1:], duration=100)
    examined = examine(Site(), uploaded(content.getvalue(), "lamp.gif"))
    with Image.open(BytesIO(examined.content)) as opened:
        assert getattr(opened, "n_frames", 1) == 1
        pixel: Any = opened.convert("RGBA").getpixel((5, 5))
        assert pixel[3] == 0


def bomb(width: int, height: int) -> bytes:
    def chunk(name: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"x" * 100) + chunk(b"IEND", b"")


@pytest.mark.parametrize("size", [(7000, 7000), (30_000, 30_000), (1, 50_000_000)])
def test_picture_with_too_many_pixels_is_refused_before_decoding(size: tuple[int, int]) -> None:
    # The file has no valid pixel data. If it were decoded before its size is checked, it would be refused as damaged.
    with pytest.raises(FileTooLarge) as refused:
        examine(Site(), uploaded(bomb(*size)))
    assert "16" in str(refused.value.text)


def test_large_picture_is_scaled_down() -> None:
    examined = examine(Site(), uploaded(picture("JPEG", (6000, 5000))))
    assert examined.width
    assert examined.height
    assert examined.width * examined.height <= file_types.MAX_STORED_PIXELS
    assert abs(examined.width / examined.height - 1.2) < 0.01


@pytest.mark.parametrize(
    "content",
    [
        b"<svg xmlns='http://www.w3.org/2000/svg' onload='alert(1)'/>",
        b"<!doctype html><script>alert(1)</script>",
        b"GIF88a" + b"0" * 40,
        b"RIFF\x00\x00\x00\x00WAVEfmt ",
        b"MZ" + b"\x00" * 100,
        b"PK\x03\x04" + b"\x00" * 100,
        b"\n%PDF-1.4 startxref %%EOF",
        "纯文字".encode(),
    ],
)
def test_refusal_of_another_type_names_the_allowed_types(content: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        examine(Site(attachment_types=["image/png", "application/pdf"]), uploaded(content))
    assert "PNG, PDF" in str(refused.value.text)


def test_type_that_the_site_does_not_allow_is_refused() -> None:
    with pytest.raises(FileRefused):
        examine(Site(attachment_types=["application/pdf"]), uploaded(picture()))
    assert (
        examine(Site(attachment_types=["application/pdf"]), uploaded(PDF)).content_type == "application/pdf"
    )


@pytest.mark.parametrize(
    "content", [picture()[:60], picture("JPEG")[:80], PDF[:30], b"%PDF-1.7" + b"\x00" * 500]
)
def test_damaged_file_is_refused(content: bytes) -> None:
    with pytest.raises(FileRefused) as refused:
        examine(Site(), uploaded(content))
    assert refused.value.code == "file_damaged"


def test_empty_and_too_large_files_are_refused() -> None:
    with pytest.raises(FileRefused):
        examine(Site(), uploaded(b""))
    with pytest.raises(FileTooLarge) as refused:
        examine(Site(attachment_megabytes=1), uploaded(picture() + b"0" * 1024 * 1024))
    assert "1 MB" in str(refused.value.text)


@pytest.mark.parametrize(
    ("given", "clean"),
    [
        ("身份证 正面.JPG", "身份证 正面.png"),
        ("../../etc/passwd", "passwd.png"),
        ("C:\\Users\\me\\card.png", "card.png"),
        ("invoice\u202egnp.exe", "invoice gnp.exe.png"),
        ("a\r\nSet-Cookie: x=1.png", "a Set-Cookie_ x=1.png"),
        ('<img src=x onerror="alert(1)">.gif', "_img src=x onerror=_alert(1)__.png"),
        ("...", "picture.png"),
        ("", "picture.png"),
        (None, "picture.png"),
        (".htaccess", "htaccess.png"),
        ("长" * 300 + ".png", "长" * 100 + ".png"),
        ("half\ud83d.png", "half.png"),
    ],
)
def test_clean_name_returns_a_safe_name(given: str | None, clean: str) -> None:
    assert clean_name(given, "image/png") == clean


# -- sending ---------------------------------------------------------------------------------------------------


@pytest.mark.both_databases
def test_visitors_file_becomes_a_message_and_is_served_unchanged(
    cast: Cast, client: Client, tmp_path: Path
) -> None:
    conversation = start(cast)
    answer = post(client, conversation, picture(), "我的卡.png")
    assert answer.status_code == 200
    message = Message.objects.get(conversation=conversation)
    attachment = Attachment.objects.get()
    assert answer.json()["accepted"]["seq"] == message.seq == 1
    assert (message.kind, message.body, message.author_role) == ("attachment", "我的卡.png", "visitor")
    assert message.payload == {
        "attachment": str(attachment.uuid),
        "content_type": "image/png",
        "size": attachment.size,
        "width": 40,
        "height": 20,
    }
    (file,) = stored_files(tmp_path)
    assert attachment.size == file.stat().st_size
    assert "卡" not in file.name
    assert str(attachment.uuid).replace("-", "") not in file.name

    response = client.get(f"/chat/attachments/{attachment.uuid}", headers=bearer(conversation))
    assert response.getvalue() == file.read_bytes()
    assert response["Content-Type"] == "image/png"
    assert response["Content-Disposition"].startswith("inline")
    assert response["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert response["X-Content-Type-Options"] == "nosniff"
    assert response["Cache-Control"] == "no-store"
    assert "Set-Cookie" not in response


def test_pdf_is_served_as_a_download(cast: Cast, client: Client) -> None:
    conversation = start(cast)
    assert post(client, conversation, PDF, "对账单.pdf").status_code == 200
    attachment = Attachment.objects.get()
    response = client.get(f"/chat/attachments/{attachment.uuid}", headers=bearer(conversation))
    assert response["Content-Disposition"].startswith("attachment")
    assert response["Content-Type"] == "application/pdf"
    assert response.getvalue() == PDF


@pytest.mark.both_databases
def test_repeated_upload_gets_the_first_answer_and_stores_nothing(
    cast: Cast, client: Client, tmp_path: Path
) -> None:
    conversation = start(cast)
    client_id = uuid4()
    first, second = (post(client, conversation, picture(), client_id=client_id) for _ in range(2))
    assert first.json() == second.json()
    assert (Message.objects.count(), Attachment.objects.count(), len(stored_files(tmp_path))) == (1, 1, 1)


@pytest.mark.both_databases
def test_client_id_reused_with_another_file_is_refused(cast: Cast) -> None:
    conversation = start(cast)
    client_id = uuid4()
    send: dict[str, Any] = {
        "visitor": conversation.visitor,
        "uuid": conversation.uuid,
        "client_id": client_id,
    }
    send_file_as_visitor(**send, upload=uploaded(picture(), "a.png"))
    with pytest.raises(ClientIdReused):
        send_file_as_visitor(**send, upload=uploaded(picture(), "b.png"))


@pytest.mark.both_databases
def test_concurrent_uploads_with_one_client_id_store_one_file(cast: Cast, tmp_path: Path) -> None:
    conversation = start(cast)
    client_id = uuid4()

    def send(_: int) -> int:
        try:
            upload = uploaded(picture())
            return send_file_as_visitor(
                visitor=conversation.visitor, uuid=conversation.uuid, client_id=client_id, upload=upload
            ).seq
        finally:
            connection.close()

    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(send, range(8))) == {1}
    assert (Message.objects.count(), Attachment.objects.count(), len(stored_files(tmp_path))) == (1, 1, 1)


@pytest.mark.both_databases
def test_concurrent_uploads_do_not_exceed_the_quota(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("chat.actions.attachments.MAX_PER_CONVERSATION", 3)
    conversation = start(cast)

    def send(_: int) -> bool:
        upload = uploaded(picture())
        try:
            send_file_as_visitor(
                visitor=conversation.visitor, uuid=conversation.uuid, client_id=uuid4(), upload=upload
            )
        except FileRefused:
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(4) as pool:
        assert sum(pool.map(send, range(8))) == 3
    assert (Message.objects.count(), Attachment.objects.count(), len(stored_files(tmp_path))) == (3, 3, 3)


@pytest.mark.both_databases
def test_refused_upload_leaves_neither_row_nor_file(cast: Cast, tmp_path: Path) -> None:
    conversation = start_with(cast, cast.mei)
    send: dict[str, Any] = {"visitor": conversation.visitor, "uuid": conversation.uuid, "client_id": uuid4()}
    with pytest.raises(FileRefused):
        send_file_as_visitor(**send, upload=uploaded(b"<html>"))
    agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
    with pytest.raises(ConversationClosed):
        send_file_as_visitor(**send, upload=uploaded(picture()))
    assert not Attachment.objects.exists()
    assert not stored_files(tmp_path)


@pytest.mark.both_databases
def test_upload_stores_nothing_when_the_conversation_ends_during_the_check(
    cast: Cast, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    conversation = start_with(cast, cast.mei)

    def end_first(site: Site, upload: Any) -> file_types.ExaminedFile:
        agents.end_conversation(staff=cast.mei, uuid=conversation.uuid)
        return examine(site, upload)

    monkeypatch.setattr("chat.actions.attachments.examine", end_first)
    with pytest.raises(ConversationClosed):
        send_file_as_visitor(
            visitor=conversation.visitor,
            uuid=conversation.uuid,
            client_id=uuid4(),
            upload=uploaded(picture()),
        )
    assert not Attachment.objects.exists()
    assert not stored_files(tmp_path)


def test_upload_is_refused_where_the_site_disables_files(cast: Cast, client: Client) -> None:
    Site.objects.update(attachments=False)
    answer = post(client, start(cast), picture())
    assert answer.status_code == 415
    assert answer.json()["refused"]["words"]


# -- access ----------------------------------------------------------------------------------------------------


def test_attachments_without_a_valid_token_are_not_found(cast: Cast, client: Client) -> None:
    conversation, other = start(cast), start(cast)
    assert post(client, conversation, picture()).status_code == 200
    uuid = Attachment.objects.get().uuid
    good = bearer(conversation)["Authorization"]
    other_site_token = token_for(conversation.visitor.uuid, "another-site")
    for header in ("", "Bearer", "Bearer x", good + "x", "Basic " + good, f"Bearer {other_site_token}"):
        for path in (f"/chat/attachments/{uuid}", "/chat/transcript"):
            assert client.get(path, headers={"Authorization": header}).status_code == 404, header
        form = {"file": uploaded(picture()), "client_id": uuid4(), "conversation": conversation.uuid}
        assert client.post("/chat/attachments", form, headers={"Authorization": header}).status_code == 404
    assert client.get(f"/chat/attachments/{uuid}", headers=bearer(other)).status_code == 404
    form = {"file": uploaded(picture()), "client_id": uuid4(), "conversation": conversation.uuid}
    assert client.post("/chat/attachments", form, headers=bearer(other)).status_code == 404
    assert Attachment.objects.count() == 1


def test_staff_session_gives_no_access_to_visitor_endpoints(cast: Cast, client: Client) -> None:
    conversation = start_with(cast, cast.mei)
    client.cookies["sessionid"] = session_of(cast.mei)
    assert client.get("/chat/transcript").status_code == 404
    form = {"file": uploaded(picture()), "client_id": uuid4(), "conversation": conversation.uuid}
    assert client.post("/chat/attachments", form).status_code == 404


def test_visitor_upload_needs_no_csrf_cookie(cast: Cast) -> None:
    checking = Client(enforce_csrf_checks=True)
    assert post(checking, start(cast), picture()).status_code == 200


def test_only_the_assigned_agent_sends_files(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    send: dict[str, Any] = {"uuid": conversation.uuid, "upload": uploaded(picture())}
    assert send_file_as_agent(staff=cast.mei, client_id=uuid4(), **send).seq
    message = Message.objects.get(kind="attachment")
    assert (message.author_role, message.agent) == ("agent", cast.mei)
    with pytest.raises(NotAssigned):
        send_file_as_agent(staff=cast.hao, client_id=uuid4(), **send)
    with pytest.raises(NotFound):
        send_file_as_agent(staff=cast.jun, client_id=uuid4(), **send)


def test_console_file_is_readable_by_those_who_may_read_the_conversation(cast: Cast, client: Client) -> None:
    conversation = start_with(cast, cast.mei)
    assert post(client, conversation, picture()).status_code == 200
    url = f"/console/attachments/{Attachment.objects.get().uuid}"

    def status(staff: Staff | None) -> int:
        browser = Client()
        if staff is not None:
            browser.cookies["sessionid"] = session_of(staff)
        response = browser.get(url)
        response.close()
        return int(response.status_code)

    everybody = (cast.mei, cast.hao, cast.jun, cast.yun, cast.an, None)
    assert [status(staff) for staff in everybody] == [200, 200, 404, 200, 403, 401]


def test_console_upload_requires_a_csrf_token(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    checking = Client(enforce_csrf_checks=True)
    checking.cookies["sessionid"] = session_of(cast.mei)
    form = {"file": uploaded(picture()), "client_id": uuid4()}
    url = f"/console/conversations/{conversation.uuid}/attachments"
    assert checking.post(url, form).status_code == 403
    assert not Attachment.objects.exists()
    unchecked = Client()
    unchecked.cookies["sessionid"] = session_of(cast.mei)
    form = {"file": uploaded(picture()), "client_id": uuid4()}
    assert unchecked.post(url, form).status_code == 200


# -- limits ----------------------------------------------------------------------------------------------------


def test_request_body_over_the_size_limit_is_refused(cast: Cast, client: Client) -> None:
    Site.objects.update(attachment_megabytes=1)
    answer = post(client, start(cast), b"0" * (2 * 1024 * 1024))
    assert answer.status_code == 413
    assert answer.json()["refused"]["code"] == "file_too_large"
    assert "1 MB" in answer.json()["refused"]["words"]


def test_request_without_file_or_ids_is_refused(cast: Cast, client: Client) -> None:
    conversation = start(cast)
    for form in (
        {"client_id": uuid4(), "conversation": conversation.uuid},
        {"file": uploaded(picture()), "client_id": "x", "conversation": conversation.uuid},
        {"file": uploaded(picture()), "client_id": uuid4(), "conversation": "x"},
        {"file": "not a file", "client_id": uuid4(), "conversation": conversation.uuid},
    ):
        answer = client.post("/chat/attachments", form, headers=bearer(conversation))
        assert answer.status_code == 400, form
        assert answer.json()["refused"]["code"] == "bad_frame"


def test_uploads_over_the_rate_limit_are_refused_with_retry_after(
    cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Stop the clock of the token buckets, so that they are not refilled between two uploads on a slow machine.
    monkeypatch.setattr("chat.limits.time", SimpleNamespace(monotonic=lambda: 0.0))
    conversation, other = start(cast), start(cast)
    statuses = [post(client, conversation, picture()).status_code for _ in range(7)]
    assert statuses == [200] * 6 + [429]
    answer = post(client, conversation, picture())
    assert answer.json()["refused"]["retry_after_ms"] > 0
    assert int(answer["Retry-After"]) >= 1
    assert post(client, other, picture()).status_code == 200


def test_refusals_are_in_the_visitors_language(cast: Cast, client: Client) -> None:
    messages = {}
    for language in ("zh", "en"):
        answer = post(client, start(cast, language=language), b"MZ\x00", "a.exe")
        messages[language] = answer.json()["refused"]["words"]
    assert messages["en"].startswith("This kind of file cannot be sent")
    assert not messages["zh"].isascii()


def test_former_agent_cannot_send_files_after_a_transfer(cast: Cast) -> None:
    conversation = start_with(cast, cast.mei)
    go_online(cast.hao)
    agents.transfer_to_agent(staff=cast.mei, uuid=conversation.uuid, to=cast.hao)
    with pytest.raises(NotAssigned):
        send_file_as_agent(
            staff=cast.mei, uuid=conversation.uuid, client_id=uuid4(), upload=uploaded(picture())
        )


@pytest.mark.both_databases
def test_tidy_attachments_removes_only_orphans(cast: Cast, client: Client, tmp_path: Path) -> None:
    conversation = start(cast)
    assert post(client, conversation, picture()).status_code == 200
    posted = Attachment.objects.get()
    Attachment.objects.create(
        conversation=conversation,
        client_id=uuid4(),
        by_role="visitor",
        name="x",
        content_type="x",
        size=1,
        file="a/b",
    )
    folder = tmp_path / "media" / "a"
    folder.mkdir(parents=True)
    (folder / "b").write_bytes(b"x")
    (folder / "unreferenced").write_bytes(b"x")
    # Set the file's time by the clock of the test, which `scripts/test --clock` may shift. The kernel's clock is not
    # shifted.
    now = time.time()
    os.utime(folder / "unreferenced", (now, now))
    call_command("tidy_attachments", stdout=StringIO())
    assert len(stored_files(tmp_path)) == 3
    for _ in range(2):
        call_command("tidy_attachments", hours=-1, stdout=StringIO())
        assert list(Attachment.objects.all()) == [posted]
        assert [path.name for path in stored_files(tmp_path)] == [Path(posted.file.path).name]
