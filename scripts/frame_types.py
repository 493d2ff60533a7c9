"""Write static/chat/frames.d.ts, the TypeScript types of all frames: `python -m scripts.frame_types`.

The types of the browser code thus follow chat/protocol. If a script reads a field that no frame has, tsc reports it.
"""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any, get_args

from msgspec import inspect as types

from chat import protocol

ROOT = Path(__file__).resolve().parent.parent
FILE = ROOT / "static/chat/frames.d.ts"

SENT_BY_CLIENTS = ("VisitorFrame", "ConsoleFrame")
SENT_BY_SERVER = ("ServerToVisitor", "ServerToConsole")
HEADER = "// Generated from chat/protocol by `python -m scripts.frame_types`: change chat/protocol, not this file.\n"
PRIMITIVES: dict[type[types.Type], str] = {
    types.StrType: "string",
    types.UUIDType: "string",
    types.IntType: "number",
    types.FloatType: "number",
    types.BoolType: "boolean",
    types.NoneType: "null",
    types.AnyType: "unknown",
}


def frame_types() -> str:
    """Return the text of the file: an interface for each struct and TypedDict, and four unions: the frames that the
    visitor sends and receives, and those that the console sends and receives."""
    interfaces: dict[str, str] = {}
    unions = []
    for name in (*SENT_BY_CLIENTS, *SENT_BY_SERVER):
        frames = get_args(getattr(protocol, name))
        for info in types.multi_type_info(frames):
            _add(info, interfaces, is_sent_by_client=name in SENT_BY_CLIENTS)
        members = "".join(f"\n  | {frame.__name__}" for frame in frames)
        unions.append(f"export type {name} ={members};\n")
    return "\n".join([HEADER, *interfaces.values(), *unions])


def _add(info: Any, interfaces: dict[str, str], *, is_sent_by_client: bool) -> None:
    """Add the interface of a struct or TypedDict, after the interfaces of the structs that it contains.

    A field is optional if it can be missing on the wire. The server leaves out default values only in structs with
    `omit_defaults`. A client may leave out any field that has a default.
    """
    name = info.cls.__name__
    if name in interfaces:
        return
    is_struct = isinstance(info, types.StructType)
    may_omit = is_sent_by_client or not is_struct or info.cls.__struct_config__.omit_defaults
    fields = [f'  {info.tag_field}: "{info.tag}";'] if is_struct and info.tag_field else []
    for field in info.fields:
        for part in _structs_in(field.type):
            _add(part, interfaces, is_sent_by_client=is_sent_by_client)
        is_optional = may_omit and not field.required
        fields.append(f"  {field.encode_name}{'?' if is_optional else ''}: {_type(field.type)};")
    interfaces[name] = "\n".join([*_comment(info.cls), f"export interface {name} {{", *fields, "}\n"])


def _structs_in(info: Any) -> list[Any]:
    match _described(info):
        case types.StructType() | types.TypedDictType() as part:
            return [part]
        case types.UnionType(members):
            return [part for member in members for part in _structs_in(member)]
        case types.ListType(item):
            return _structs_in(item)
        case types.DictType(_, value):
            return _structs_in(value)
    return []


def _type(info: Any) -> str:
    """Return the TypeScript type of a field's value."""
    match _described(info):
        case types.StructType() | types.TypedDictType() as part:
            return str(part.cls.__name__)
        case types.UnionType(members):
            return " | ".join(_type(member) for member in members)
        case types.ListType(item):
            return f"{_type(item)}[]"
        case types.DictType(_, value):
            return f"Record<string, {_type(value)}>"
        case other:
            return PRIMITIVES[type(other)]


def _described(info: Any) -> Any:
    """Return a type without its msgspec metadata. If the metadata names a TypedDict, such as `Payload`, return that
    TypedDict."""
    if not isinstance(info, types.Metadata):
        return info
    keys = (info.extra or {}).get("keys")
    return types.type_info(keys) if keys else info.type


def _comment(cls: type) -> list[str]:
    lines = (inspect.getdoc(cls) or "").splitlines() if cls.__doc__ else []
    if len(lines) < 2:
        return [f"/** {line} */" for line in lines]
    return ["/**", *(f" * {line}".rstrip() for line in lines), " */"]


if __name__ == "__main__":
    FILE.write_text(frame_types(), encoding="utf-8")
