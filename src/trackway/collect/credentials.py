"""Whose key is this: the sources and keys in force, kept in memory and renewed when they change."""

import asyncio
import hashlib

from trackway.control.database import State, read_version
from trackway.control.sources import KeyHolder, read_key_holders

LOOK_EVERY_S = 0.3
# An unknown key asks the database at most this often, so that guessing keys costs us nothing.
ASK_EVERY_S = 0.1


class KeyRing:
    """Answers from memory. `watch` renews it within a third of a second of a change."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._holders: dict[str, KeyHolder] = {}
        self._by_key: dict[str, KeyHolder] = {}
        self._version = -1
        self._asked_at = 0.0

    def load(self) -> None:
        """Read everything when the configuration's version differs from the one in memory."""
        version = read_version(self._state)
        if version != self._version:
            self._holders = read_key_holders(self._state)
            self._by_key = {}
            self._version = version

    async def find(self, key: str) -> KeyHolder | None:
        holder = self._by_key.get(key)
        if holder is not None:
            return holder
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        holder = self._holders.get(digest)
        if holder is None:
            now = asyncio.get_running_loop().time()
            if now - self._asked_at < ASK_EVERY_S:
                return None
            self._asked_at = now
            await asyncio.to_thread(self.load)
            holder = self._holders.get(digest)
        if holder is not None:
            self._by_key[key] = holder
        return holder

    async def watch(self) -> None:
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            await asyncio.to_thread(self.load)
