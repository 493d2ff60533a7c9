"""One script of many modules, for `collectstatic`.

The source stays plain ES modules and runs as it is with LIANXIN_DEBUG; a visitor's browser gets one answer instead of
twenty, without comments. Only what our own modules use is understood: named imports by relative path, named exports of
declarations. Anything else raises, so that nothing is left out in silence.
"""

import posixpath
import re
from collections.abc import Callable
from dataclasses import dataclass
from string import ascii_letters

from rjsmin import jsmin

try:
    from minify import string as minify
except ImportError:
    # There is no wheel of it for macOS: there the local names stay as long as they were written.
    def minify(_: str, text: str) -> str:
        return str(jsmin(text))


_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const|let) (\w+)", re.MULTILINE)
# A private name where it is declared or used; before the # of an id in a string stands a quote.
_PRIVATE = re.compile(r"""(?<!["'`(])#(\w+)""")
_DECLARED = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_UNKNOWN = re.compile(r"(^|[;}])(import|export)\b|\bimport\(", re.MULTILINE)


class BundleError(ValueError):
    """A module uses a form of import or export that this does not know, or a name that means something else too."""


@dataclass(frozen=True)
class _Module:
    text: str
    imported: set[str]
    declared: set[str]


def bundle(name: str, read: Callable[[str], str]) -> str:
    """The script `name` and what it imports as one script. `read` gives a module's text by its name.

    The modules stand one after the other, in the order of their imports, in one function: their names are all known to
    all. So a name that one module declares, and another uses without importing it, is refused. What the last one, the
    script itself, declares is its own.
    """
    modules: dict[str, _Module] = {}
    _add(name, read, modules, [])
    script = modules.pop(name)
    for one, module in modules.items():
        for other, each in [*modules.items(), (name, script)]:
            for word in module.declared - each.imported - (each.declared if each is script else set()):
                if each is not module and _mentions(each.text, word):
                    raise BundleError(f"{other} has a word of its own that {one} declares: {word}")
    parts = [module.text for module in modules.values()]
    return "\n".join(["(()=>{", *parts, "{", script.text, "}", "})();"]) + "\n"


def minified(script: str) -> str:
    """Without comments and layout, and with short names for what is local."""
    return str(minify("application/javascript", script))


def _add(name: str, read: Callable[[str], str], modules: dict[str, _Module], above: list[str]) -> None:
    if name in above:
        raise BundleError(f"{name} imports itself, by way of others")
    if name in modules:
        return
    text = read(name)
    imported: set[str] = set()
    for names, path in _IMPORT.findall(text):
        if " as " in names:
            raise BundleError(f"{name} renames what it imports")
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        imported |= {each.strip() for each in names.split(",") if each.strip()}
        _add(other, read, modules, [*above, name])
    text = _EXPORT.sub(r"\1 \2", _IMPORT.sub("", text))
    declared = set(_DECLARED.findall(text))
    text = _shortened(jsmin(text))
    if _UNKNOWN.search(text):
        raise BundleError(f"{name}: an import or an export that is not understood")
    modules[name] = _Module(text, imported, declared)


def _mentions(text: str, word: str) -> bool:
    """Whether the word stands there, not as the name of somebody's property."""
    return re.search(rf"(?<![.#$\w]){word}(?![$\w])", text) is not None


def _shortened(text: str) -> str:
    """With short names for what is private to its classes: nobody outside of the module can know them."""
    names = dict.fromkeys(re.findall(r"\.#(\w+)", text))
    short = {name: ascii_letters[number] for number, name in enumerate(names)}
    return _PRIVATE.sub(lambda found: "#" + short.get(found[1], found[1]), text)
