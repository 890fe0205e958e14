"""Keys, policies and plans in memory follow the state, also after a look at it has failed."""

import asyncio
import logging
from collections.abc import Callable

import pytest
from sqlalchemy import text

from trackway.collect.credentials import KeyRing
from trackway.control.database import State, bump_version
from trackway.control.sources import add_source, set_enabled


def rename(state: State, before: str, after: str) -> None:
    with state.write() as connection:
        connection.execute(text(f"ALTER TABLE {before} RENAME TO {after}"))
        bump_version(connection)


async def wait_for(truth: Callable[[], bool]) -> None:
    for _ in range(1000):
        if truth():
            return
        await asyncio.sleep(0.02)
    pytest.fail("waited in vain")


def test_a_look_that_fails_is_not_the_last(state: State, caplog: pytest.LogCaptureFixture) -> None:
    added = add_source(state, "shop", "native", "server", {})
    key = added.credentials["write_key"]

    async def follow() -> None:
        ring = KeyRing(state)
        ring.load()
        watching = asyncio.create_task(ring.watch())
        holder = await ring.find("native", key)
        assert holder is not None
        rename(state, "sources", "sources_elsewhere")
        await wait_for(lambda: "stay as they were" in caplog.text)
        assert await ring.find("native", key) == holder
        rename(state, "sources_elsewhere", "sources")
        set_enabled(state, added.source.id, False)
        for _ in range(1000):
            switched = await ring.find("native", key)
            if switched is not None and not switched.source.enabled:
                break
            await asyncio.sleep(0.02)
        assert switched is not None
        assert not switched.source.enabled
        assert not watching.done()
        watching.cancel()

    with caplog.at_level(logging.WARNING):
        asyncio.run(follow())
