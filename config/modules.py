"""One script of many modules, for `collectstatic`.

The source stays plain ES modules and runs as it is with LIANXIN_DEBUG; a visitor's browser gets one answer instead of
twenty, without comments. Only what our own modules use is understood: named imports by relative path, named exports of
declarations. Anything else raises, so that nothing is left out in silence.
"""

import posixpath
import re
from collections.abc import Callable
from string import ascii_letters

from rjsmin import jsmin

_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const|let) (\w+)", re.MULTILINE)
# A private name where it is declared or used; before the # of an id in a string stands a quote.
_PRIVATE = re.compile(r"""(?<!["'`(])#(\w+)""")
_UNKNOWN = re.compile(r"(^|[;}])(import|export)\b|\bimport\(", re.MULTILINE)


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
    text = _shortened(jsmin(text))
    if _UNKNOWN.search(text):
        raise CannotGather(f"{name}: an import or an export that is not understood")
    variables[name] = f"m{len(parts)}"
    inner += [text, f"return {{{','.join(exported)}}};"] if exported else [text]
    parts.append(f"const {variables[name]}=(()=>{{\n" + "\n".join(inner) + "\n})();")
    return variables[name]


def _shortened(text: str) -> str:
    """With short names for what is private to its classes: nobody outside of the module can know them."""
    names = dict.fromkeys(re.findall(r"\.#(\w+)", text))
    short = {name: ascii_letters[number] for number, name in enumerate(names)}
    return _PRIVATE.sub(lambda found: "#" + short.get(found[1], found[1]), text)
