"""A check at start that a library still has the internal names on which Lianxin depends.

Without this check, a new version of a library could silently turn off a limit or a patch.
"""

from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured


class Internal(NamedTuple):
    """A function of a library on which Lianxin depends: the class or module that owns it, and its name.

    `used` are names that the code of the function must use.
    """

    owner: Any
    name: str
    used: tuple[str, ...] = ()


def check_internals(internals: tuple[Internal, ...]) -> None:
    """Raise ImproperlyConfigured if one of the internals is missing or does not use the expected names."""
    for owner, name, used in internals:
        code = getattr(getattr(owner, name, None), "__code__", None)
        known = {*code.co_names, *code.co_varnames} if code else set()
        if code is None or not known.issuperset(used):
            missing = ", ".join(used) or "a function"
            raise ImproperlyConfigured(
                f"{owner.__name__}.{name} is not what Lianxin was written for (expected: {missing}). Install the "
                "versions of requirements.txt; docs/performance.md, section Patches, lists what depends on it."
            )
