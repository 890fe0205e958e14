"""What the door knows of people, for the dialects that must answer with a profile.

Beside the road: `note` of a protocol asks here before its submission is made. Everything is answered
from memory, or by one small read of the relational state the first time. What a submission changes of
a visit is remembered here until the pipeline has written it down; it is taken back when the log
refuses the submission. Several collectors do not know each other's newest visits: each derives the
same profile for the same session, and the pipeline keeps the first.
"""

import asyncio
import logging
import time
from collections import OrderedDict
from collections.abc import Mapping, Sequence
from typing import Any

from msgspec import Struct
from sqlalchemy import LargeBinary, PoolProxiedConnection, bindparam, false, func, literal_column, select, union_all
from sqlalchemy.exc import OperationalError

from trackway.clock import Clock
from trackway.control.database import State
from trackway.control.erased import read_last_erasure
from trackway.control.privacy_tables import ERASED
from trackway.control.tables import SOURCES
from trackway.control.workspaces import list_workspaces
from trackway.event import LogPlace, Submission
from trackway.profiles.identifiers import ProfileKeys
from trackway.profiles.tables import IDENTITIES
from trackway.profiles.visits import SESSION, VISIT, VISITS, Visit, name_session, read_noted
from trackway.query.progress import read_positions

LOG = logging.getLogger(__name__)

# Sessions, and profiles, remembered at the most; about 400 bytes each.
MOST_REMEMBERED = 200_000
# Another collector may have changed a visit: after so long without a request it is read again.
READ_AGAIN_S = 60.0
LOOK_EVERY_S = 0.3
LOOK_AT_PIPELINE_S = 0.03


_VISIT, _PROFILE, _ERASED = 1, 2, 3
_NODE = bindparam("node", type_=LargeBinary)
_KNOWN = union_all(
    select(literal_column(str(_VISIT)), VISITS.c.profile, VISITS.c.visits, VISITS.c.ended, VISITS.c.seen_at).where(
        VISITS.c.node == _NODE
    ),
    select(
        literal_column(str(_PROFILE)), IDENTITIES.c.profile, literal_column("0"), false(), IDENTITIES.c.version
    ).where(IDENTITIES.c.node == _NODE),
    select(literal_column(str(_ERASED)), ERASED.c.node, literal_column("0"), false(), ERASED.c.erased_at).where(
        ERASED.c.node == _NODE
    ),
)


class Remembered(Struct):
    """A session in memory. `before` is what it was before the submission with the notes `noted` changed it."""

    visit: Visit
    touched: float
    noted: Mapping[str, str] | None = None
    before: Visit | None = None


class DoorPeople:
    """One per collector process, used on its event loop only. `stream` is the collector's own stream of the log."""

    def __init__(self, state: State, clock: Clock, stream: str) -> None:
        self.state, self.clock = state, clock
        self._stream = stream
        self._keys: dict[str, ProfileKeys] = {}
        self._visits: OrderedDict[tuple[str, str], Remembered] = OrderedDict()
        # Where a profile's id leads to today; None where its person was erased.
        self._profiles: OrderedDict[bytes, bytes | None] = OrderedDict()
        # The newest move and erasure that is known here; None before the first look.
        self._seen: tuple[int, int] | None = None
        self._connection: PoolProxiedConnection | None = None
        compiled = _KNOWN.compile(dialect=state.engine.dialect)
        # How often the driver wants the value; 0 where it takes it by name.
        self._question, self._places = str(compiled), len(compiled.positiontup or ())

    def keys_of(self, workspace: str) -> ProfileKeys:
        if workspace not in self._keys:
            self._keys = {each.id: ProfileKeys(each.hash_key) for each in list_workspaces(self.state)}
        return self._keys[workspace]

    def name_session(self, workspace: str, session: str) -> bytes:
        """The profile of who is known by this session only."""
        return name_session(self.keys_of(workspace), session)

    def find_visit(self, workspace: str, session: str) -> Visit | None:
        """The session as it is known; None when it is new."""
        key = (workspace, session)
        known, now = self._visits.get(key), time.monotonic()
        if known is not None and now - known.touched < READ_AGAIN_S:
            known.touched = now
            self._visits.move_to_end(key)
            return known.visit
        found = self._read(self.name_session(workspace, session))
        if found is None:
            # Not written yet, or not to be written: its person does not agree to be tracked.
            found = known.visit if known else None
        if found is not None:
            self._remember(key, Remembered(found, now))
        return found

    def change_visit(self, workspace: str, session: str, visit: Visit, noted: Mapping[str, str]) -> None:
        """The submission with the notes `noted` makes of the session what `visit` says."""
        key = (workspace, session)
        known = self._visits.get(key)
        self._remember(key, Remembered(visit, time.monotonic(), noted, known.visit if known else None))

    def forget(self, noted: dict[str, str]) -> None:
        """The submission with these notes did not become durable, or was only to be validated."""
        if VISIT not in noted:
            return
        for workspace in self._keys:
            key = (workspace, noted[SESSION])
            known = self._visits.get(key)
            if known is None or known.noted is not noted:
                continue
            if known.before is None:
                del self._visits[key]
            else:
                self._visits[key] = Remembered(known.before, known.touched)

    def recover(self, submission: Submission) -> None:
        """After a restart: what a submission in the log changed, which the pipeline has not written yet."""
        if VISIT not in submission.noted:
            return
        key, visit = (submission.workspace, submission.noted[SESSION]), read_noted(submission)
        if not visit.profile and (known := self.find_visit(*key)):
            # A request without a profile took none away.
            visit = visit._replace(profile=known.profile)
        self._remember(key, Remembered(visit, time.monotonic()))

    def _remember(self, key: tuple[str, str], remembered: Remembered) -> None:
        self._visits[key] = remembered
        self._visits.move_to_end(key)
        while len(self._visits) > MOST_REMEMBERED:
            self._visits.popitem(last=False)

    def find_profile(self, profile: bytes) -> bytes | None:
        """What a profile's id leads to today: itself, or what it was merged into; None when its person was erased."""
        if profile not in self._profiles:
            self._read(profile)
        current = self._profiles[profile]
        if current is None or current == profile:
            return current
        if current not in self._profiles:
            self._read(current)
        return current if self._profiles[current] is not None else None

    def _read(self, node: bytes) -> Visit | None:
        """All that is known of a node, in one question: where it leads to is remembered, its visit returned.

        A session's node is also the profile that a new session gets.
        """
        visit, leads_to, erased = None, node, False
        for what, found, visits, ended, at in self._ask(node):
            if what == _VISIT:
                visit = Visit(bytes(found), visits, bool(ended), at)
            elif what == _PROFILE:
                leads_to = bytes(found)
            else:
                erased = True
        self._profiles[node] = None if erased else leads_to
        while len(self._profiles) > MOST_REMEMBERED:
            self._profiles.popitem(last=False)
        return visit

    def _ask(self, node: bytes) -> Sequence[Any]:
        """Straight to the driver, by a connection that is kept: anything else costs twenty times the question."""
        if self._connection is None:
            self._connection = self.state.engine.raw_connection()
        cursor = self._connection.cursor()
        try:
            cursor.execute(self._question, (node,) * self._places if self._places else {"node": node})
            return cursor.fetchall()
        except self.state.engine.dialect.loaded_dbapi.Error as error:
            # Whatever is wrong with it, the next question gets another connection.
            self._connection.invalidate()
            self._connection = None
            raise OperationalError(self._question, None, error) from error
        finally:
            if self._connection is not None:
                cursor.close()
                self._connection.rollback()

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def derive_profile(self, workspace: str, session: str) -> tuple[bytes, bytes]:
        """The profile that a new session gets, the same at every collector: its first id and where that leads.

        The ledger gives an event that names nothing but this session the same profile. Who was erased
        comes back as somebody else, once for each time.
        """
        named, first = session, self.name_session(workspace, session)
        while (current := self.find_profile(first)) is None:
            named += "\N{INFORMATION SEPARATOR ONE}again"
            first = self.name_session(workspace, named)
        return first, current

    def knows_source(self, workspace: str, source: str) -> bool:
        """Is it an enabled source of the workspace? Reads; for what few requests ask."""
        query = select(SOURCES.c.id).where(
            SOURCES.c.id == source, SOURCES.c.workspace == workspace, SOURCES.c.enabled.is_(True)
        )
        with self.state.read() as connection:
            return connection.execute(query).first() is not None

    async def wait_for(self, place: LogPlace, patience_s: float) -> bool:
        """Until the pipeline has settled what stands at `place` of our stream. False when that takes too long."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + patience_s
        while True:
            try:
                position = (await asyncio.to_thread(read_positions, self.state)).get(self._stream)
            except OperationalError:
                # The state is busy; the event is durable all the same.
                position = None
            if position is not None and (position.segment, position.ordinal) > (place.segment, place.record):
                return True
            if loop.time() > deadline:
                return False
            await asyncio.sleep(LOOK_AT_PIPELINE_S)

    async def watch(self) -> None:
        """Follow merges and erasures. `find_profile` is at most a third of a second behind."""
        changes = self.state.watch()
        while True:
            await asyncio.sleep(LOOK_EVERY_S)
            if not changes.has_changed():
                continue
            try:
                self._follow(*await asyncio.to_thread(self._look))
                changes.note_seen()
            except OperationalError as error:
                LOG.warning("the relational state does not answer now: %s", error)

    def _look(self) -> tuple[int, int, dict[bytes, bytes]]:
        """The newest move and erasure, and where the identifiers that moved since the last look belong now."""
        t = IDENTITIES.c
        with self.state.read() as connection:
            newest = connection.execute(select(func.max(t.version))).scalar() or 0
            moved = {}
            if self._seen is not None and newest > self._seen[0]:
                rows = connection.execute(select(t.node, t.profile).where(t.version > self._seen[0]))
                moved = {bytes(row.node): bytes(row.profile) for row in rows}
            return newest, read_last_erasure(connection), moved

    def _follow(self, newest: int, erased_at: int, moved: Mapping[bytes, bytes]) -> None:
        if self._seen is None:
            # Whatever was read before the first look may have moved before it.
            self._profiles.clear()
        elif erased_at != self._seen[1]:
            self._profiles.clear()
            self._visits.clear()
        for node, profile in moved.items():
            # An id that leads to one that is erased is read anew.
            if self._profiles.get(node) is not None:
                self._profiles[node] = profile
        self._seen = (newest, erased_at)
