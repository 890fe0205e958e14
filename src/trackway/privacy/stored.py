"""What an erasure, retention and a replay ask of the event store: account for rows, remove them, see them gone.

Rows are removed by mutations (`ALTER TABLE … DELETE`), because a lightweight delete leaves their
bytes where they are. A mutation runs in the background; nobody waits for it but the one who polls.
"""

from collections.abc import Collection, Sequence
from typing import Any

from trackway.outcome import Outcome, Reason
from trackway.profiles.identifiers import format_profile_id
from trackway.store.client import EventStore

TABLES = ("events", "outcomes", "profile_overrides")
REMOVED = ", ".join(f"'{reason.value}'" for reason in (Reason.ERASED, Reason.EXPIRED, Reason.REPLACED))
IDS_AT_ONCE = 1000
IN_BACKGROUND = {"mutations_sync": 0}

# Who and what an anonymised event loses; the same fields as `pipeline.anonymity` empties, and all
# properties, of which the engine cannot tell which name somebody.
_EMPTIED = (
    *("anonymous_id", "session_id", "user_id", "contact_id", "account_id", "instance_id", "dedupe_key", "business_key"),
    *("visitor_key", "weak_key", "title", "click_id", "ip", "user_agent"),
)
_EMPTY_OBJECTS = (
    "identifiers_text",
    "traits_text",
    "account_traits_text",
    "consent_text",
    "properties_text",
    "context_text",
)
NOBODY = "toUUID('00000000-0000-0000-0000-000000000000')"


def select_people(nodes: Collection[bytes], until_ms: int) -> str:
    """The condition for all events of these identifiers that were received up to `until_ms`."""
    keys = ", ".join(f"'{format_profile_id(node)}'" for node in sorted(nodes))
    return f"profile_key IN ({keys}) AND received_at <= fromUnixTimestamp64Milli({until_ms}, 'UTC')"


def account_for(store: EventStore, condition: str, reason: Reason, stamp: int) -> None:
    """Give every row that is going to be removed its outcome: dropped, for `reason`. Again, it adds nothing."""
    # Whoever began the same before us may have died meanwhile, and the engine may be at it still.
    store.wait_for_any_insert("outcomes")
    store.execute(
        "INSERT INTO outcomes (event_id, workspace, source, protocol, outcome, reason, first_event_id, detail, event_type,"
        " received_at, log_segment, log_record, log_index, stored_at)"
        f" SELECT event_id, workspace, source, protocol, '{Outcome.DROPPED.value}', '{reason.value}', '', '', event_type,"
        f" received_at, log_segment, log_record, log_index, fromUnixTimestamp64Milli({stamp}, 'UTC') FROM events"
        f" WHERE {condition} AND (log_segment, log_record, log_index) NOT IN (SELECT log_segment, log_record, log_index"
        # A row that was accounted for already is on its way out for another reason.
        f" FROM outcomes WHERE reason IN ({REMOVED})"
        # Of the rows of all years only those that can be meant.
        f" AND log_segment IN (SELECT DISTINCT log_segment FROM events WHERE {condition}))",
        {"log_comment": "trackway:outcomes:removal"},
    )


def count_rows(store: EventStore, table: str, condition: str) -> int:
    return int(store.select(f"SELECT count() AS rows FROM {table} WHERE {condition}")[0]["rows"])


def list_places(store: EventStore, condition: str) -> list[dict[str, Any]]:
    """{"log_segment", "log_record"} of the submissions that the rows came in."""
    return store.select(f"SELECT DISTINCT log_segment, log_record FROM events WHERE {condition}")


def list_dedupe_keys(store: EventStore, condition: str) -> set[tuple[str, str]]:
    rows = store.select(f"SELECT DISTINCT source, dedupe_key FROM events WHERE {condition} AND dedupe_key != ''")
    return {(row["source"], row["dedupe_key"]) for row in rows}


def remove_rows(store: EventStore, table: str, condition: str, mark: str) -> bool:
    """One step of removing rows for good: begins the mutation or looks how far it is. True when it is done.

    `mark` stands in the condition and tells this mutation from others.
    """
    return _mutate(store, table, f"DELETE WHERE {condition}", mark, count_rows(store, table, condition))


def anonymise_rows(store: EventStore, condition: str, mark: str) -> bool:
    """As `remove_rows`, but the events stay, with nobody in them."""
    changes = [f"{name} = ''" for name in _EMPTIED]
    changes += [f"{name} = '{{}}'" for name in _EMPTY_OBJECTS]
    changes += [f"{name} = {NOBODY}" for name in ("profile_key", "profile_id")]
    changes += [f"{name} = cutFragment(cutQueryString({name}))" for name in ("url", "referrer")]
    changes.append("stored_as = 'anonymous'")
    left = count_rows(store, "events", condition)
    return _mutate(store, "events", f"UPDATE {', '.join(changes)} WHERE {condition}", mark, left)


def forget_details(store: EventStore, event_ids: Sequence[str]) -> bool:
    """Empty the words about these events among the outcomes, in which a part of the event may be quoted."""
    for start in range(0, len(event_ids), IDS_AT_ONCE):
        chosen = event_ids[start : start + IDS_AT_ONCE]
        ids = ", ".join(f"'{event_id}'" for event_id in chosen)
        condition = f"event_id IN ({ids}) AND detail != ''"
        left = count_rows(store, "outcomes", condition)
        if not _mutate(store, "outcomes", f"UPDATE detail = '' WHERE {condition}", chosen[0], left):
            return False
    return True


def _mutate(store: EventStore, table: str, change: str, mark: str, left: int) -> bool:
    running = store.select(
        "SELECT is_done, latest_fail_reason FROM system.mutations WHERE database = currentDatabase()"
        " AND table = {table:String} AND position(command, {mark:String}) > 0 AND NOT is_done",
        {"table": table, "mark": mark},
    )
    if running:
        return False
    if left == 0:
        return True
    store.execute(f"ALTER TABLE {table} {change}", IN_BACKGROUND)
    return False


def list_old_parts(store: EventStore) -> list[str]:
    """Parts that were replaced and whose files are still there: `table/name`."""
    rows = store.select(
        "SELECT concat(table, '/', name) AS part FROM system.parts"
        " WHERE database = currentDatabase() AND table IN {tables:Array(String)} AND NOT active",
        {"tables": list(TABLES)},
    )
    return [row["part"] for row in rows]
