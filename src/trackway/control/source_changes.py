"""What is changed of a source later: its settings, and whether it still is one.

A source that was removed stays on record, because its events name it; it has no key any more.
"""

from collections.abc import Mapping

import msgspec
from sqlalchemy import Connection, delete, insert, select, update
from sqlalchemy.exc import IntegrityError

from trackway.clock import now_ms
from trackway.control.database import State, bump_version
from trackway.control.sources import (
    CREDENTIAL_FORMS,
    LONGEST_NAME,
    OWN_SOURCES,
    SourceError,
    check_settings,
    digest_key,
    make_credential,
    read_source,
)
from trackway.control.tables import CREDENTIALS, SOURCES
from trackway.event import Source

# These are decided when a source is made: its keys and its workspace follow from them.
FIXED_SETTINGS = ("source_id", "environment")


def find_source(state: State, source_id: str) -> Source | None:
    with state.read() as connection:
        row = connection.execute(select(SOURCES).where(SOURCES.c.id == source_id)).first()
    return read_source(row) if row else None


def is_removed(state: State, source_id: str) -> bool:
    """Has it no key any more?"""
    in_force = select(CREDENTIALS.c.digest).where(CREDENTIALS.c.source == source_id, CREDENTIALS.c.revoked_at.is_(None))
    with state.read() as connection:
        return connection.execute(in_force).first() is None


def change_source(state: State, source_id: str, changes: Mapping[str, str], name: str = "") -> Source:
    """Set settings (an empty value takes one away) and, where given, the name; servers follow within a second.

    A key that is made of the settings changes with them, and the old one ends. SourceError when the
    source, a setting or a value cannot be used; then nothing is changed.
    """
    for fixed in FIXED_SETTINGS:
        if fixed in changes:
            raise SourceError(f"{fixed} is decided when a source is added; add another source")
    check_settings({key: value for key, value in changes.items() if value})
    if len(name) > LONGEST_NAME:
        raise SourceError(f"a source needs a name of 1 to {LONGEST_NAME} characters")
    try:
        with state.write() as connection:
            source = _demand(connection, source_id)
            kept = {key: value for key, value in {**source.settings, **changes}.items() if value}
            _renew_key(connection, source, kept)
            values = {"settings": msgspec.json.encode(kept).decode(), "name": name.strip() or source.name}
            connection.execute(update(SOURCES).where(SOURCES.c.id == source_id).values(**values))
            bump_version(connection)
    except IntegrityError:
        raise SourceError("another source has this name, or the key that these settings make") from None
    return msgspec.structs.replace(source, settings=kept, name=values["name"])


def remove_source(state: State, source_id: str) -> None:
    """Switch it off and end its keys. What it sent stays. SourceError when there is no such source."""
    with state.write() as connection:
        _demand(connection, source_id)
        connection.execute(update(SOURCES).where(SOURCES.c.id == source_id).values(enabled=False))
        connection.execute(
            update(CREDENTIALS)
            .where(CREDENTIALS.c.source == source_id, CREDENTIALS.c.revoked_at.is_(None))
            .values(revoked_at=now_ms())
        )
        bump_version(connection)


def restore_source(state: State, source_id: str) -> None:
    """A removed source whose key is made of its settings gets that key again, and is switched on."""
    with state.write() as connection:
        source = _demand(connection, source_id)
        _give_key(connection, source, source.settings)
        connection.execute(update(SOURCES).where(SOURCES.c.id == source_id).values(enabled=True))
        bump_version(connection)


def _demand(connection: Connection, source_id: str) -> Source:
    row = connection.execute(select(SOURCES).where(SOURCES.c.id == source_id)).first()
    if row is None:
        raise SourceError(f"there is no source {source_id!r}; see trackway sources list")
    if row.id in OWN_SOURCES:
        raise SourceError("this source is Trackway's own; nobody sends as it, and it stays as it is")
    return read_source(row)


def _renew_key(connection: Connection, source: Source, settings: Mapping[str, str]) -> None:
    make = CREDENTIAL_FORMS[source.protocol].of_source
    defaults = set(CREDENTIAL_FORMS[source.protocol].defaults)
    if missing := sorted(defaults - set(settings)):
        raise SourceError(f"{missing[0]} cannot be empty: the key is made of it")
    if make is None or make(source.id, settings) == make(source.id, source.settings):
        return
    old = digest_key(make(source.id, source.settings))
    # Not revoked but gone: it is no secret, and another source may have it now.
    connection.execute(delete(CREDENTIALS).where(CREDENTIALS.c.digest == old))
    _give_key(connection, source, settings)


def _give_key(connection: Connection, source: Source, settings: Mapping[str, str]) -> None:
    """IntegrityError when another source has this key."""
    form = CREDENTIAL_FORMS[source.protocol]
    if form.of_source is None:
        raise SourceError(f"a source of {source.protocol} gets no key a second time; add another source")
    row = make_credential(form.of_source(source.id, settings), source.id, form, form.trusts(source.channel))
    again = (
        update(CREDENTIALS)
        .where(CREDENTIALS.c.digest == row["digest"], CREDENTIALS.c.source == source.id)
        .values(revoked_at=None)
    )
    if connection.execute(again).rowcount == 0:
        connection.execute(insert(CREDENTIALS).values(**row))
