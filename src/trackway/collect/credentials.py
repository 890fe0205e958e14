"""Whose key is this: sources, keys, consent policies and plans in force, kept in memory and renewed when they change."""

import asyncio
import hashlib
import logging
from collections.abc import Mapping

from sqlalchemy.exc import OperationalError

from trackway.control.database import State, read_version
from trackway.control.plans import EMPTY_PLAN, Plan, read_plans
from trackway.control.sources import CREDENTIAL_FORMS, KeyHolder, digest_key, read_key_holders
from trackway.profiles.policies import Policy
from trackway.profiles.policy_versions import read_policies

LOG = logging.getLogger(__name__)

LOOK_EVERY_S = 0.3
# Unknown keys ask the database at most this often and wait their turn, so that guessing is slow and cheap.
ASK_EVERY_S = 0.1


class KeyRing:
    """Answers from memory. `watch` renews it within a third of a second of a change."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._holders: dict[str, KeyHolder] = {}
        self._by_key: dict[str, KeyHolder] = {}
        self.policies: Mapping[str, Policy] = {}
        self._plans: Mapping[str, Plan] = {}
        self._version = -1
        self._asked_at = 0.0
        self._asking = asyncio.Lock()

    def load(self) -> None:
        """Read everything when the configuration's version differs from the one in memory."""
        version = read_version(self._state)
        if version != self._version:
            self._holders = read_key_holders(self._state)
            self.policies = read_policies(self._state)
            self._plans = read_plans(self._state)
            self._by_key = {}
            self._version = version

    def find_plan(self, workspace: str) -> Plan:
        return self._plans.get(workspace, EMPTY_PLAN)

    def is_secret(self, key: str) -> bool:
        """Is it a key in force that nobody may read?"""
        holder = self._by_key.get(key) or self._holders.get(digest_key(key))
        return holder is not None and CREDENTIAL_FORMS[holder.source.protocol].hides(holder.trusted)

    async def find(self, protocol: str, key: str) -> KeyHolder | None:
        """Whose key of this protocol it is; None when there is no such key."""
        holder = self._by_key.get(key) or await self._look_up(key)
        return holder if holder is not None and holder.source.protocol == protocol else None

    async def _look_up(self, key: str) -> KeyHolder | None:
        digest = hashlib.sha256(key.encode("utf-8", "surrogatepass")).hexdigest()
        holder = self._holders.get(digest)
        if holder is None:
            await self._ask_again()
            holder = self._holders.get(digest)
        if holder is not None:
            self._by_key[key] = holder
        return holder

    async def _ask_again(self) -> None:
        """Read the database once more; all that wait share one look."""
        loop = asyncio.get_running_loop()
        came_at = loop.time()
        async with self._asking:
            if self._asked_at > came_at:
                return
            await asyncio.sleep(max(0.0, self._asked_at + ASK_EVERY_S - loop.time()))
            self._asked_at = loop.time()
            await asyncio.to_thread(self.load)

    async def watch(self) -> None:
        changes = self._state.watch()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not changes.has_changed():
                continue
            try:
                await asyncio.to_thread(self.load)
                changes.note_seen()
            except OperationalError as error:
                LOG.warning("sources and keys stay as they were, the relational state does not answer now: %s", error)
