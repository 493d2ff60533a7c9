"""A function that waits for a condition in a page's JavaScript."""

from __future__ import annotations

import time
from typing import Any

from playwright.sync_api import Frame, Page


def wait_until(page: Page | Frame, expression: str, arg: Any = None, *, seconds: float = 20.0) -> None:
    """Wait until a JavaScript expression, or a function that is called with `arg`, is truthy on this page.

    Playwright's own `wait_for_function` uses `eval` if the condition is not met at first; our policy forbids that.
    """
    deadline = time.monotonic() + seconds
    while not page.evaluate(expression, arg):
        assert time.monotonic() < deadline, f"never true: {expression}"
        page.wait_for_timeout(50)
