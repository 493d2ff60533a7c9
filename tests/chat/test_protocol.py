"""Tests of the protocol: every frame has an example, docs/protocol.md is complete, and no input breaks decoding.

They guard invariant 9 of tests/test_invariants.py (unknown kinds are ignored).
"""

from __future__ import annotations

import importlib
import json
import pkgutil
import re
from contextlib import suppress
from typing import Any, get_args

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

import accounts
import chat
import console
import knowledge
import routing
from chat import protocol
from chat.errors import Refusal
from chat.protocol import BadFrame
from chat.realtime.sockets import CLOSE_CODES
from tests.harness.servers.process import ROOT

EXAMPLES: dict[str, list[dict[str, Any]]] = json.loads(
    (ROOT / "tests/protocol_examples.json").read_text(encoding="utf-8")
)
PAGE = (ROOT / "docs/protocol.md").read_text(encoding="utf-8")

# The direction of every frame. `test_every_tagged_struct_has_a_direction` fails for a frame that is missing here.
FRAMES: dict[str, list[Any]] = {
    "visitor_to_server": list(get_args(protocol.VisitorFrame)),
    "server_to_visitor": list(get_args(protocol.ServerToVisitor)),
    "console_to_server": list(get_args(protocol.ConsoleFrame)),
    "server_to_console": list(get_args(protocol.ServerToConsole)),
    "events": list(get_args(protocol.Event)),
}
ALL_EXAMPLES = [
    pytest.param(side, example, id=f"{side}-{example.get('kind') or example['event']}-{number}")
    for side, examples in EXAMPLES.items()
    for number, example in enumerate(examples)
]
DECODERS = {"visitor_to_server": protocol.decode_visitor, "console_to_server": protocol.decode_console}


def tag_of(struct: Any) -> str:
    return str(struct.__struct_config__.tag)


def example_of(side: str, kind: str) -> dict[str, Any]:
    return next(example for example in EXAMPLES[side] if example.get("kind") == kind)


# -- The examples and the page ---------------------------------------------------------------------------------


def test_every_tagged_struct_has_a_direction() -> None:
    declared = {
        struct
        for struct in vars(protocol).values()
        if isinstance(struct, type) and issubclass(struct, msgspec.Struct) and struct.__struct_config__.tag
    }
    assert declared == {struct for frames in FRAMES.values() for struct in frames}


@pytest.mark.parametrize("side", FRAMES)
def test_examples_cover_exactly_the_frames_and_events(side: str) -> None:
    tag = "event" if side == "events" else "kind"
    assert {example[tag] for example in EXAMPLES[side]} == {tag_of(struct) for struct in FRAMES[side]}


@pytest.mark.parametrize(("side", "example"), ALL_EXAMPLES)
def test_example_is_unchanged_by_decoding_and_encoding(side: str, example: dict[str, Any]) -> None:
    tag = example["event" if side == "events" else "kind"]
    struct = next(struct for struct in FRAMES[side] if tag_of(struct) == tag)
    frame = msgspec.json.decode(json.dumps(example), type=struct)

    assert json.loads(protocol.encode(frame)) == example
    if side in DECODERS:
        assert DECODERS[side](json.dumps(example)) == frame
    if side == "events":
        assert protocol.decode_events(protocol.encode_events([frame])) == [frame]


def test_page_shows_exactly_the_examples() -> None:
    shown = [json.loads(block) for block in re.findall(r"```json\n(.*?)```", PAGE, re.DOTALL)]
    known = [example for examples in EXAMPLES.values() for example in examples]

    assert [block for block in shown if block not in known] == []
    assert [example for example in known if example not in shown] == []


def test_page_explains_every_refusal_and_bye_code() -> None:
    for app in (accounts, chat, knowledge, routing, console):
        for module in pkgutil.walk_packages(app.__path__, f"{app.__name__}."):
            if ".migrations" not in module.name and ".management" not in module.name:
                importlib.import_module(module.name)
    table = re.search(r"## Refusals\n(.*?)\n## ", PAGE, re.DOTALL)
    assert table
    explained = re.findall(r"^\| `(\w+)` \| .+ \| (\d{3}) \| (no|after (\d+) s)", table[1], re.MULTILINE)
    retries = {refusal.code: refusal.retry_after_ms // 1000 for refusal in _refusals(Refusal)}
    assert {code: int(after or 0) for code, _, _, after in explained} == retries
    statuses = {refusal.code: refusal.http_status for refusal in _refusals(Refusal)}
    assert {code: int(status) for code, status, _, _ in explained} == statuses
    assert len(explained) == len(retries)
    bye_codes = re.findall(r"^\| `(\w+)` \| (\d{4}) \|", PAGE, re.MULTILINE)
    assert {code: int(number) for code, number in bye_codes} == CLOSE_CODES


def _refusals(refusal: type[Refusal]) -> list[type[Refusal]]:
    subclasses = [item for child in refusal.__subclasses__() for item in _refusals(child)]
    return [item for item in (refusal, *subclasses) if not item.__module__.startswith("tests.")]


def test_page_names_every_limit() -> None:
    for number in (protocol.MAX_FRAME_BYTES, protocol.MAX_BODY_CHARACTERS, protocol.MAX_COMMENT_CHARACTERS):
        assert f"{number:,}" in PAGE
    assert f"at most {protocol.PAGE_OF_MESSAGES}" in PAGE
    assert f"version {protocol.VERSION}" in PAGE


# -- Decoding --------------------------------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]))
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | texts,
    lambda children: st.lists(children, max_size=4) | st.dictionaries(texts, children, max_size=4),
    max_leaves=12,
)
KINDS = sorted({tag_of(struct) for side in DECODERS for struct in FRAMES[side]})


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
@given(text=st.text() | json_values.map(json.dumps))
def test_decoding_any_text_raises_only_bad_frame(decode: Any, text: str) -> None:
    with suppress(BadFrame):
        decode(text)


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
@given(kind=st.sampled_from(KINDS), fields=st.dictionaries(texts, json_values, max_size=5), data=st.data())
def test_decoding_any_values_of_a_known_kind_raises_only_bad_frame(
    decode: Any, kind: str, fields: dict[str, Any], data: st.DataObject
) -> None:
    names = [
        "client_id",
        "body",
        "form",
        "received",
        "read",
        "after",
        "limit",
        "conversation",
        "token",
        "score",
    ]
    for name in data.draw(st.lists(st.sampled_from(names), max_size=3)):
        fields[name] = data.draw(json_values)
    with suppress(BadFrame):
        decode(json.dumps({**fields, "kind": kind}))


@pytest.mark.parametrize("decode", DECODERS.values(), ids=DECODERS)
@given(kind=texts.filter(lambda kind: kind not in KINDS), fields=st.dictionaries(texts, json_values))
def test_unknown_kind_is_ignored(decode: Any, kind: str, fields: dict[str, Any]) -> None:
    text = json.dumps({**fields, "kind": kind}, ensure_ascii=False)
    assert decode(text) is None


@pytest.mark.parametrize("side", DECODERS)
def test_unknown_field_is_ignored(side: str) -> None:
    for example in EXAMPLES[side]:
        assert DECODERS[side](json.dumps({**example, "new": {"in": "version 2"}})) is not None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "null",
        "[]",
        '"post"',
        "{}",
        '{"kind": 7}',
        '{"kind": null}',
        '{"kind": "post"}',
        '{"kind": "post", "client_id": "1", "body": "x"}',
        '{"kind": "seen", "received": -1, "read": 0}',
        '{"kind": "seen", "received": 1e99, "read": 0}',
        '{"kind": "seen", "received": 2147483648, "read": 0}',
        '{"kind": "fetch", "after": 0, "limit": 201}',
        '{"kind": "post", "client_id": "7c9e6679-7425-40de-944b-e07fc1f90ae7", "body": "\ud83d"}',
        '{"kind": "ping"',
        "[" * 9000,
        '{"a":' * 3000,
    ],
    ids=lambda text: ascii(text)[-60:],
)
def test_invalid_frame_raises_bad_frame(text: str) -> None:
    with pytest.raises(BadFrame):
        protocol.decode_visitor(text)


def test_lone_surrogate_becomes_the_replacement_character() -> None:
    post = example_of("visitor_to_server", "post")
    text = json.dumps({**post, "body": "CUT"}).replace("CUT", r"\ud83d 好 \udc00\ud83d\ude00 \\ud83d")
    frame = protocol.decode_visitor(text)

    assert isinstance(frame, protocol.PostFrame)
    assert frame.body == "\ufffd 好 \ufffd😀 \\ud83d"


def test_frame_over_16_kib_is_refused() -> None:
    def frame(bytes_: int) -> str:
        rest = '{"kind": "ping", "x": ""}'
        return rest.replace('""', '"' + "x" * (bytes_ - len(rest)) + '"')

    assert protocol.decode_visitor(frame(16_384)) is not None
    with pytest.raises(BadFrame, match="too_long"):
        protocol.decode_visitor(frame(16_385))
    with pytest.raises(BadFrame, match="too_long"):
        protocol.decode_visitor('{"kind": "ping", "x": "' + "好" * 6_000 + '"}')


def test_body_length_is_counted_in_characters() -> None:
    post = example_of("visitor_to_server", "post")
    assert protocol.decode_visitor(json.dumps({**post, "body": "😀" * 2000}, ensure_ascii=False))
    with pytest.raises(BadFrame, match="bad_frame"):
        protocol.decode_visitor(json.dumps({**post, "body": "x" * 2001}))


def test_bad_frame_contains_no_text_of_the_frame() -> None:
    with pytest.raises(BadFrame) as caught:
        protocol.decode_visitor('{"kind": "post", "body": "6222020000001234567"}')
    assert "6222" not in str(caught.value)


# -- Between processes -----------------------------------------------------------------------------------------


def test_decode_events_skips_unknown_and_invalid_events() -> None:
    batch = [*EXAMPLES["events"], {"event": "from_tomorrow", "pk": 1}, {"event": "note_added"}, {}, 7, None]
    events = protocol.decode_events(json.dumps(batch))

    assert [json.loads(protocol.encode(event)) for event in events] == EXAMPLES["events"]


@given(text=st.text() | json_values.map(json.dumps))
def test_decode_events_of_an_invalid_batch_is_empty(text: str) -> None:
    assert protocol.decode_events(text) == []


@given(body=texts, seq=st.integers(1, 2**31 - 1))
def test_any_text_is_unchanged_by_encoding_and_decoding(body: str, seq: int) -> None:
    message = protocol.MessageData(seq, "text", "visitor", body[:60], body, "2026-11-23T01:04:05.678Z")
    frame = protocol.MessageFrame("0f8fad5b-d9cb-469f-a165-70867728950e", message)
    again = msgspec.json.decode(protocol.encode(frame), type=protocol.MessageFrame)

    assert again == frame
    assert json.loads(protocol.encode(frame))["message"]["body"] == body
