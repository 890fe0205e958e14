"""Daily salts for visitors without an id: made on first use, forgotten after two days."""

import secrets

from sqlalchemy import delete, select

from trackway.control.database import State
from trackway.control.tables import SALTS

DAYS_KEPT = 2
DAY_MS = 24 * 3600 * 1000


def read_salt(state: State, received_at: int) -> bytes:
    """The salt of the day of `received_at`; one that was forgotten is made anew."""
    day = received_at // DAY_MS
    with state.read() as connection:
        row = connection.execute(select(SALTS.c.salt).where(SALTS.c.day == day)).first()
    if row is not None:
        return bytes(row.salt)
    with state.write() as connection:
        row = connection.execute(select(SALTS.c.salt).where(SALTS.c.day == day)).first()
        if row is not None:
            return bytes(row.salt)
        salt = secrets.token_bytes(32)
        connection.execute(SALTS.insert().values(day=day, salt=salt))
        newest = connection.execute(select(SALTS.c.day).order_by(SALTS.c.day.desc())).scalars().first() or day
        connection.execute(delete(SALTS).where(SALTS.c.day <= newest - DAYS_KEPT))
    return salt
