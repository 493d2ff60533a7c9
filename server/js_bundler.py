"""Bundler that makes one script of many JavaScript modules, for `collectstatic`.

The source files are plain ES modules and run unbundled with LIANXIN_DEBUG. A visitor's browser gets one response
instead of twenty, without comments. The bundler supports only the syntax that our modules use: named imports by
relative path and named exports of declarations. It raises BundleError for anything else, so that nothing is silently
left out.
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
    # minify has no wheel for macOS; there, local names are not shortened.
    def minify(_: str, text: str) -> str:
        return str(jsmin(text))


_IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.[^"]+)";\n', re.MULTILINE)
_EXPORT = re.compile(r"^export ((?:async )?function|class|const|let) (\w+)", re.MULTILINE)
# A private name where it is declared or used. A # after a quote begins an element's id in a string.
_PRIVATE = re.compile(r"""(?<!["'`(])#(\w+)""")
_DECLARED = re.compile(r"^(?:async )?(?:function|class|const|let) (\w+)", re.MULTILINE)
_UNKNOWN = re.compile(r"(^|[;}])(import|export)\b|\bimport\(", re.MULTILINE)


class BundleError(ValueError):
    """A module uses an unsupported form of import or export, or a name that conflicts with another module's."""


@dataclass(frozen=True)
class _Module:
    text: str
    imported: set[str]
    declared: set[str]


def bundle(name: str, read: Callable[[str], str]) -> str:
    """Bundle the script `name` and all modules that it imports into one script. `read` returns a module's text.

    The modules follow each other in the order of their imports, inside one function and one scope. Therefore a name
    that one module declares and another module uses without importing it is a conflict. The names of the last module,
    the script itself, have a scope of their own. Raises BundleError.
    """
    modules: dict[str, _Module] = {}
    _add(name, read, modules, [])
    script = modules.pop(name)
    for declaring_name, declaring in modules.items():
        for using_name, using in [*modules.items(), (name, script)]:
            own_scope = using.declared if using is script else set()
            for word in declaring.declared - using.imported - own_scope:
                if using is not declaring and _mentions(using.text, word):
                    raise BundleError(
                        f"{using_name} uses {word} without importing it, and {declaring_name} declares it"
                    )
    parts = [module.text for module in modules.values()]
    return "\n".join(["(()=>{", *parts, "{", script.text, "}", "})();"]) + "\n"


def minified(script: str) -> str:
    """Return a script without comments and unneeded white space, and with short local names."""
    return str(minify("application/javascript", script))


def _add(name: str, read: Callable[[str], str], modules: dict[str, _Module], above: list[str]) -> None:
    if name in above:
        raise BundleError(f"{name} imports itself through other modules")
    if name in modules:
        return
    text = read(name)
    imported: set[str] = set()
    for names, path in _IMPORT.findall(text):
        if " as " in names:
            raise BundleError(f"{name} renames what it imports")
        other = posixpath.normpath(posixpath.join(posixpath.dirname(name), path))
        imported |= {item.strip() for item in names.split(",") if item.strip()}
        _add(other, read, modules, [*above, name])
    text = _EXPORT.sub(r"\1 \2", _IMPORT.sub("", text))
    declared = set(_DECLARED.findall(text))
    text = _shortened(jsmin(text))
    if _UNKNOWN.search(text):
        raise BundleError(f"{name} has an unsupported import or export")
    modules[name] = _Module(text, imported, declared)


def _mentions(text: str, word: str) -> bool:
    """Return whether the text contains the identifier other than as the name of a property."""
    return re.search(rf"(?<![.#$\w]){word}(?![$\w])", text) is not None


def _shortened(text: str) -> str:
    """Return the text with short names for the private members of classes, which no other module can use."""
    names = dict.fromkeys(re.findall(r"\.#(\w+)", text))
    short = {name: ascii_letters[number] for number, name in enumerate(names)}
    return _PRIVATE.sub(lambda match: "#" + short.get(match[1], match[1]), text)
