"""A check at start that a library still has the internal names on which Lianxin depends.

Without it, a library that renames one would turn off a limit or a patch, and nobody would notice.
"""

from typing import Any, NamedTuple

from django.core.exceptions import ImproperlyConfigured


class Internal(NamedTuple):
    """A class or module of a library, the name of a function in it, and names that the code of that function uses."""

    owner: Any
    name: str
    used: tuple[str, ...] = ()


def check_internals(internals: tuple[Internal, ...]) -> None:
    """Raise ImproperlyConfigured if one of the internals is missing."""
    for owner, name, used in internals:
        code = getattr(getattr(owner, name, None), "__code__", None)
        known = {*code.co_names, *code.co_varnames} if code else set()
        if code is None or not known.issuperset(used):
            missing = ", ".join(used) or "a function"
            raise ImproperlyConfigured(
                f"{owner.__name__}.{name} is not what Lianxin was written for (expected: {missing}). Install the "
                "versions of requirements.txt; docs/performance.md, section Patches, lists what depends on it."
            )
