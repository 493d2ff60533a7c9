"""Tests of length limits: a string one character too long is refused, and the refusal names its field and limit."""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import msgspec
import pytest
from django.test import Client
from django.utils import translation
from msgspec import inspect

import console
import knowledge.views
from chat import protocol
from chat.errors import TextTooLong, decoding_refusal
from chat.json_bodies import decode_body
from chat.models import Conversation, Message, Site
from tests.conftest import WriterAtOnce
from tests.harness.servers.process import ROOT
from tests.people import SITE_KEY, Cast, start_with

BOUND = re.compile(
    r"^\| (?P<where>[^|]+) \| (?:`(?P<field>\w+)`[^|]*)?\| (?P<limit>[\d,]+)(?: bytes)? \|$", re.M
)
SECTION = (ROOT / "docs/protocol.md").read_text(encoding="utf-8").split("### What is too long")[1]
TABLE = {
    (row["field"] or "", int(row["limit"].replace(",", "")))
    for row in BOUND.finditer(SECTION.split("\n## ")[0])
}

Decode = Callable[[str], Any]


def example_of(kind: inspect.Type) -> Any:
    """Return a minimal valid value of this msgspec type, in JSON form."""
    match kind:
        case inspect.StructType(fields=fields, tag=tag, tag_field=tag_field):
            return {tag_field: tag} | {member.encode_name: example_of(member.type) for member in fields}
        case inspect.UnionType(types=types):
            return example_of(next(item for item in types if not isinstance(item, inspect.NoneType)))
        case inspect.StrType(min_length=minimum):
            return "x" * (minimum or 0)
        case inspect.IntType(ge=minimum):
            return minimum or 0
        case inspect.UUIDType():
            return str(uuid4())
        case inspect.BoolType():
            return True
        case inspect.DictType():
            return {}
        case inspect.ListType():
            return []
        case inspect.AnyType():
            return None
    raise AssertionError(kind)


def too_long_values(kind: inspect.Type, name: str = "") -> Iterator[tuple[str, int, Any]]:
    """Yield (field, limit, value) for each limited string in this msgspec type.

    In `value`, that string is one character too long, and everything else is valid.
    """
    match kind:
        case inspect.StrType(max_length=int(limit)):
            yield name, limit, "长" * (limit + 1)
        case inspect.UnionType(types=types):
            for item in types:
                yield from too_long_values(item, name)
        case inspect.ListType(item_type=item):
            for field, limit, value in too_long_values(item, name):
                yield field, limit, [value]
        case inspect.DictType(key_type=key, value_type=of):
            for field, limit, value in too_long_values(key, name):
                yield field, limit, {value: ""}
            for field, limit, value in too_long_values(of, name):
                yield field, limit, {"key": value}
        case inspect.StructType(fields=fields):
            for member in fields:
                for field, limit, value in too_long_values(member.type, member.encode_name):
                    yield field, limit, example_of(kind) | {member.encode_name: value}


def frames() -> Iterator[tuple[str, Decode, Any]]:
    for decode, frame in (
        (protocol.decode_visitor, protocol.VisitorFrame),
        (protocol.decode_console, protocol.ConsoleFrame),
    ):
        for kind in frame.__args__:
            yield kind.__name__, decode, kind


def bodies() -> Iterator[tuple[str, Any]]:
    """Yield (name, type) of every struct that a view decodes from a JSON body."""
    modules = [
        importlib.import_module(module.name)
        for module in pkgutil.walk_packages(console.__path__, "console.")
        if module.name.endswith("views")
    ]
    for module in (*modules, knowledge.views):
        for value in vars(module).values():
            is_struct = isinstance(value, type) and issubclass(value, msgspec.Struct)
            if is_struct and value.__module__ == module.__name__:
                yield f"{module.__name__}.{value.__name__}", value


FRAMES = [
    pytest.param(decode, field, limit, value, id=f"{name}-{field}-{limit}")
    for name, decode, kind in frames()
    for field, limit, value in too_long_values(inspect.type_info(kind))
]
BODIES = [
    pytest.param(kind, field, limit, value, id=f"{name}-{field}")
    for name, kind in bodies()
    for field, limit, value in too_long_values(inspect.type_info(kind))
]


def test_all_limited_strings_are_found() -> None:
    assert len(FRAMES) == 7
    assert len(BODIES) >= 9


@pytest.mark.parametrize(("decode", "field", "limit", "value"), FRAMES)
def test_refusal_of_a_frame_names_the_string_that_is_too_long(
    decode: Decode, field: str, limit: int, value: dict[str, Any]
) -> None:
    with pytest.raises(protocol.BadFrame) as caught:
        decode(json.dumps(value, ensure_ascii=False))
    assert caught.value.violation == protocol.LengthViolation(field, limit)
    assert caught.value.client_id == value.get("client_id", "")
    assert (field, limit) in TABLE
    assert in_both_languages(decoding_refusal(caught.value.violation), limit)


@pytest.mark.parametrize(("kind", "field", "limit", "value"), BODIES)
def test_refusal_of_a_json_body_names_the_string_that_is_too_long(
    kind: type[Any], field: str, limit: int, value: dict[str, Any]
) -> None:
    with pytest.raises(TextTooLong) as caught:
        decode_body(json.dumps(value).encode(), kind)
    assert (caught.value.field, caught.value.limit) == (field, limit)
    assert (field, limit) in TABLE
    assert in_both_languages(caught.value, limit)


def in_both_languages(refusal: Any, limit: int) -> bool:
    """Return whether the refusal has different English and Chinese texts that both contain the limit."""
    texts = []
    for language in ("en", "zh-hans"):
        with translation.override(language):
            texts.append(str(refusal.text))
    return texts[0] != texts[1] and all(f"{limit:,}" in text for text in texts)


@pytest.fixture
def mei(cast: Cast, client: Client, monkeypatch: pytest.MonkeyPatch) -> Client:
    monkeypatch.setattr("console.inbox.message_views.writer", WriterAtOnce())
    client.force_login(cast.mei)
    return client


def post(client: Client, path: str, data: Any) -> Any:
    answer = client.post(path, json.dumps(data, ensure_ascii=False), content_type="application/json")
    refused = answer.json().get("refused", {})
    refused.pop("kind", None)
    return answer.status_code, refused | {"words": ""}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("fields", "field", "limit"),
    [
        ({"body": "长" * 2001}, "body", 2000),
        ({"body": "长" * 10_001}, "body", 2000),
        ({"body": "请选", "choices": ["是", "长" * 41]}, "choices", 40),
        ({"body": "请选", "choices": ["是", "长" * 201]}, "choices", 40),
        ({"body": "好", "source": "x" * 41}, "source", 40),
    ],
    ids=str,
)
def test_too_long_agent_message_is_refused_with_its_client_id(
    cast: Cast, mei: Client, fields: dict[str, Any], field: str, limit: int
) -> None:
    conversation = start_with(cast, cast.mei)
    client_id = str(uuid4())
    expected = {"code": "too_long", "words": "", "client_id": client_id, "field": field, "limit": limit}
    path = f"/console/conversations/{conversation.uuid}/messages"
    assert post(mei, path, {"client_id": client_id, **fields}) == (422, expected)
    assert not Message.objects.filter(client_id=client_id).exists()


@pytest.mark.django_db
def test_message_length_excludes_surrounding_white_space(cast: Cast, mei: Client) -> None:
    conversation: Conversation = start_with(cast, cast.mei)
    path = f"/console/conversations/{conversation.uuid}/messages"
    assert post(mei, path, {"client_id": str(uuid4()), "body": "长" * 2000 + " " * 300})[0] == 200


@pytest.mark.django_db
def test_request_body_over_the_general_limit_is_refused_with_the_limit(cast: Cast, mei: Client) -> None:
    expected = {"code": "too_long", "words": "", "limit": 1024 * 1024}
    assert post(mei, "/console/points/find", {"q": "x" * 1_100_000}) == (422, expected)
    answer = mei.post(
        "/console/presence", "status=" + "x" * 1_100_000, content_type="application/x-www-form-urlencoded"
    )
    assert answer.status_code == 422
    assert answer.json()["refused"] | {"words": ""} == expected | {"kind": "refused"}


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("path", "fields", "limit"),
    [("notes", {"body": "长" * 2001}, "2000"), ("close", {"comment": "长" * 501}, "500")],
    ids=str,
)
def test_too_long_form_text_is_returned_with_the_limit(
    cast: Cast, mei: Client, path: str, fields: dict[str, str], limit: str
) -> None:
    conversation = start_with(cast, cast.mei)
    answer = mei.post(
        f"/console/conversations/{conversation.uuid}/{path}", {"client_id": str(uuid4()), **fields}
    )
    shown = answer.content.decode()
    assert answer.status_code == 422
    assert limit in shown
    assert next(iter(fields.values())) in shown


@pytest.mark.django_db
@pytest.mark.parametrize(
    ("text", "field", "limit"), [("长" * 401, "text", 400), ("长" * 2000, "", 4096)], ids=["text", "all"]
)
def test_too_long_question_of_a_visitor_is_refused_in_their_language(
    cast: Cast, client: Client, text: str, field: str, limit: int
) -> None:
    Site.objects.filter(key=SITE_KEY).update(suggests_answers=True)
    messages = {}
    for language in ("zh", "en"):
        data = json.dumps({"text": text, "language": language}, ensure_ascii=False)
        answer = client.post(
            f"/widget/{SITE_KEY}/answers",
            data,
            content_type="text/plain",
            headers={"origin": "http://testserver"},
        )
        assert answer.status_code == 422
        refused = answer.json()["refused"]
        assert (refused["code"], refused.get("field", ""), refused["limit"]) == ("too_long", field, limit)
        messages[language] = refused["words"]
    assert "请缩短" in messages["zh"]
    assert "Shorten it" in messages["en"]
