"""Makes small what goes out to visitors, for `collectstatic`: one script of many modules, a sheet without layout.

The source stays plain ES modules and runs as it is with LIANXIN_DEBUG; a visitor's browser gets one answer instead of
twenty, without comments. Only what our own modules use is understood: named imports by relative path, named exports of
declarations. Anything else raises, so that nothing is left out in silence.
"""

import posixpath
import re
from collections.abc import Callable

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const|let) (\w+)", re.MULTILINE)
_COMMENT = re.compile(r"/\*\*.*?\*/ ?", re.DOTALL)
_LINE_COMMENT = re.compile(r"^\s*//.*\n", re.MULTILINE)
_STRING = re.compile(r'("(?:[^"\\]|\\.)*"|`(?:[^`\\]|\\.)*`)')
# Not + and -: two of them side by side are another sign.
_SIGN = re.compile(r" ?([{}()\[\]=;,:?<>&|!*]) ?")
_LINE_END = re.compile(r"([;{,(\[])\n")
_INDENT = re.compile(r"^[ \t]+|\n(?=\n)", re.MULTILINE)


_CSS_COMMENT = re.compile(r"/\*.*?\*/", re.DOTALL)
_CSS_SPACE = re.compile(r"\s*([{};,])\s*|(?<=[\w-]:) ")


def squeeze(css: str) -> str:
    """A style sheet without comments and without the space that lays it out. Strings in it hold no braces."""
    return _CSS_SPACE.sub(r"\1", _CSS_COMMENT.sub("", css)).strip() + "\n"


def strip(script: str) -> str:
    """A script without JSDoc, lines of comment, indentation, and the space that only makes it readable."""
    bare = _INDENT.sub("", _LINE_COMMENT.sub("", _COMMENT.sub("", script))).strip()
    return _LINE_END.sub(r"\1", "\n".join(map(_tighten, bare.splitlines()))) + "\n"


def _tighten(line: str) -> str:
    """Without the space around signs, outside of strings; a line that may hold more than code stays as it is."""
    parts = _STRING.split(line)
    if "'" in line or "/" in "".join(parts[::2]):
        return line
    return "".join(part if index % 2 else _SIGN.sub(r"\1", part) for index, part in enumerate(parts))


class CannotGather(ValueError):
    """A module uses a form of import or export that this does not know."""


def gather(name: str, read: Callable[[str], str]) -> str:
    """The script `name` and what it imports as one script. `read` gives a module's text by its name.

    Each module becomes a function that runs once and returns what it exports, in the order of their imports.
    """
    variables: dict[str, str] = {}
    parts: list[str] = []
    _add(name, read, variables, parts)
    return "\n".join(parts) + "\n"


def _add(name: str, read: Callable[[str], str], variables: dict[str, str], parts: list[str]) -> str:
    if name in variables:
        if not variables[name]:
            raise CannotGather(f"{name} imports itself, by way of others")
        return variables[name]
    variables[name] = ""
    text = read(name)
    inner: list[str] = []
    for names, path in _IMPORT.findall(text):
        if " as " in names:
            raise CannotGather(f"{name} renames what it imports")
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        variable = _add(other, read, variables, parts)
        inner.append(
            f"const {{{','.join(each.strip() for each in names.split(',') if each.strip())}}}={variable};"
        )
    exported = [found[1] for found in _EXPORT.findall(text)]
    text = _EXPORT.sub(r"\1 \2", _IMPORT.sub("", text))
    text = strip(text).rstrip()
    if re.search(r"^(import|export)\b|\bimport\(", text, re.MULTILINE) or (
        "`" in text and _has_long_template(text)
    ):
        raise CannotGather(
            f"{name}: an import, an export or a template of several lines that is not understood"
        )
    variables[name] = f"m{len(parts)}"
    inner += [text, f"return {{{','.join(exported)}}};"] if exported else [text]
    parts.append(f"const {variables[name]}=(()=>{{\n" + "\n".join(inner) + "\n})();")
    return variables[name]


def _has_long_template(text: str) -> bool:
    """Whether a template literal goes over several lines: its indentation would be lost."""
    return any(line.count("`") % 2 for line in text.splitlines())
