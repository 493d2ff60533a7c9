"""Tests that the generated TypeScript types of the frames are up to date."""

from __future__ import annotations

from scripts.frame_types import FILE, frame_types


def test_types_for_javascript_are_those_of_the_protocol() -> None:
    assert FILE.read_text(encoding="utf-8") == frame_types(), "run `make format`"


def test_field_is_optional_only_where_it_may_be_missing_on_the_wire() -> None:
    text = frame_types()
    # A client may leave out a field that has a default. The server leaves such fields out of structs with
    # `omit_defaults`.
    assert "after?: number" in _interface(text, "Hello")
    assert "row?: Row" in _interface(text, "MessageFrame")
    assert "agent: Person | null" in _interface(text, "Row")
    assert "rating?: number | null" in _interface(text, "Row")
    assert "payload?: Payload" in _interface(text, "MessageData")


def _interface(text: str, name: str) -> str:
    return text.split(f"interface {name} {{")[1].split("\n}")[0]
