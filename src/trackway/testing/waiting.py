"""Waiting for what comes about a little later: until it is there, not for a time or a number of tries."""

import time
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")

PATIENCE_S = 60.0


def wait_until(
    look: Callable[[], T],
    good: Callable[[T], object] = bool,
    describe: Callable[[], Any] | None = None,
    *,
    patience_s: float = PATIENCE_S,
) -> T:
    """What `look` sees as soon as it is good; AssertionError when that does not come about, with what there is."""
    deadline = time.monotonic() + patience_s
    while not good(seen := look()):
        if time.monotonic() > deadline:
            raise AssertionError(f"not within {patience_s:g} s; there is {describe() if describe else seen!r}")
        time.sleep(0.02)
    return seen
