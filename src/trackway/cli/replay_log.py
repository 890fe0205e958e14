"""The log replay of the command `replay`: compares in this process, at low priority; what is stored goes through the server."""

import os
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import click
import msgspec

from trackway.app.folder import Folder
from trackway.app.log_comparison import Difference, LogComparison, Wanted
from trackway.app.supervisor import find_store_url
from trackway.cli.batches import PAUSE_S, TRIES, TRY_AGAIN
from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import open_state, read_settings
from trackway.clock import now_ms, parse_time
from trackway.collect.limits import read_limits
from trackway.control.database import State
from trackway.control.replaced import is_replacing
from trackway.eventlog.embedded import LogReader
from trackway.eventlog.interface import RecordPlace
from trackway.store.client import EventStore, StoreRefused, StoreUnavailable

# Collecting and storing come first.
NICE = 10
RECORDS_AT_ONCE = 200
Places = tuple[RecordPlace, tuple[int, ...]]
SETTLE_PATIENCE_S = 120.0
SHOWN_FIELDS = 30


def replay_log(data: Path, space: str, since: str, chosen: dict[str, str], apply: bool, as_json: bool) -> None:
    """Of the workspace `space`."""
    started = now_ms()
    wanted = Wanted(
        since=_read_moment("--from", since),
        until=_read_moment("--until", chosen["until"]) if chosen["until"] else started,
        workspace=space,
        protocol=chosen["protocol"],
    )
    with reach_server(data) as server:
        if chosen["source"]:
            wanted = msgspec.structs.replace(wanted, source=find_source(server, space, chosen["source"]))
        # What came before this moment is compared, so it has to be stored first; and once.
        wait_until_settled(server, space)
        wait_until_replaced(data, space)
        difference = _compare(data, wanted)
        stored = list(_store(server, space, difference.places)) if apply else []
        replaced = list(_store(server, space, difference.changed_places, replace=True)) if apply else []
        if stored or replaced:
            wait_until_settled(server, space)
            wait_until_replaced(data, space)
    if as_json:
        left_out = ("places", "changed_places")
        told = {name: value for name, value in msgspec.to_builtins(difference).items() if name not in left_out}
        click.echo(msgspec.json.encode({"applied": apply, **told, "items": stored, "replaced": replaced}).decode())
        return
    for line in (*_word(difference), *_word_stored(difference, stored, replaced, apply)):
        click.echo(line)


def _read_moment(option: str, text: str) -> int:
    try:
        return parse_time(int(text) if text.isdecimal() else text)
    except (ValueError, OverflowError):
        raise click.BadParameter(
            f"{text[:60]!r} is no time; write 2026-05-01T10:00:00Z, or seconds since 1970", param_hint=option
        ) from None


def _compare(data: Path, wanted: Wanted) -> Difference:
    os.nice(NICE)
    folder, settings = Folder(data), read_settings(data)
    state, store = open_state(data), EventStore(find_store_url(folder, settings))
    try:
        return LogComparison(state, store, LogReader(folder.log), read_limits(settings)).compare(wanted)
    except (StoreRefused, StoreUnavailable) as error:
        raise click.ClickException(f"the event store does not answer: {error}") from None
    finally:
        store.close()
        state.close()


def _store(
    server: LocalServer, space: str, places: Sequence[Places], replace: bool = False
) -> Iterator[dict[str, Any]]:
    """In small portions, each waiting until the one before is stored: what comes in meanwhile is not to stand behind all of it."""
    for start in range(0, len(places), RECORDS_AT_ONCE):
        if start:
            wait_until_settled(server, space)
        records = [
            {"segment": f"{place.segment:016x}", "record": place.ordinal, "events": indexes, "replace": replace}
            for place, indexes in places[start : start + RECORDS_AT_ONCE]
        ]
        yield from post(server, space, "replay", {"apply": True, "records": records})["items"]


def post(server: LocalServer, space: str, path: str, body: dict[str, Any]) -> dict[str, Any]:
    """The answer of a replay's route; asked again while the server takes nothing."""
    for attempt in range(TRIES):
        status, answer = server.call("POST", f"/api/v1/{path}?workspace={space}", msgspec.json.encode(body))
        if status not in TRY_AGAIN:
            break
        time.sleep(PAUSE_S * 2**attempt)
    if status != 200:
        raise click.ClickException(f"{answer['error']['message']} (what was replayed so far stays; run it again)")
    found: dict[str, Any] = answer
    return found


def find_source(server: LocalServer, space: str, name: str) -> str:
    """The id of a source that is named by its id or name; an id that is not registered any more is taken as it is."""
    listed = server.api("sources", workspace=space)["items"]
    return next((each["id"] for each in listed if name in (each["id"], each["name"])), name)


def wait_until_settled(server: LocalServer, space: str) -> None:
    """Until what is in the log is stored."""
    deadline = time.monotonic() + SETTLE_PATIENCE_S
    while any(line["in_flight"] for line in server.api("books", workspace=space)["sources"]):
        if time.monotonic() > deadline:
            click.echo("not all of the log is stored yet; see trackway doctor", err=True)
            return
        time.sleep(0.1)


def wait_until_replaced(data: Path, space: str) -> None:
    """Until the rows that made way are removed; till then their events stand in the store twice."""
    deadline = time.monotonic() + SETTLE_PATIENCE_S
    state = open_state(data)
    try:
        while _is_replacing(state, space):
            if time.monotonic() > deadline:
                click.echo("rows that were replaced are not removed yet; that goes on in the server", err=True)
                return
            time.sleep(0.1)
    finally:
        state.close()


def _is_replacing(state: State, space: str) -> bool:
    with state.read() as connection:
        return is_replacing(connection, space)


def _word(difference: Difference) -> Iterator[str]:
    d = difference
    yield f"{d.submissions:,} submissions: {d.same:,} events as they are stored, {d.changed:,} different, {d.new:,} new, {d.vanished:,} gone"
    for event_type, events in d.new_types.most_common(SHOWN_FIELDS):
        yield f"  new      {events:,} {event_type}"
    if d.new_examples:
        yield f"           {', '.join(d.new_examples)}"
    for protocol, fields in d.fields.items():
        for name, events in fields.most_common(SHOWN_FIELDS):
            yield f"  changed  {protocol} {name}: {events:,} events"
            for change in d.examples[protocol][name]:
                yield f"           {change.event_id}: {change.old!r} -> {change.new!r}"
    for gone in d.vanished_examples:
        yield f"  gone     {gone.event_id}: {gone.reason}: {gone.message}"
    for reason, events in d.not_stored.most_common():
        yield f"  {events:,} events were not stored and are not now: {reason}"
    if d.anonymous:
        yield f"  {d.anonymous:,} events are stored without their person and were not compared"
    if d.held:
        yield f"  {d.held:,} events wait for consent"


def _word_stored(
    difference: Difference, stored: Sequence[dict[str, Any]], replaced: Sequence[dict[str, Any]], apply: bool
) -> Iterator[str]:
    if not apply:
        if difference.new or difference.changed:
            yield "nothing was changed; --apply stores the new ones and replaces the different ones"
        return
    events = sum(item["events"] for item in stored)
    yield f"{events:,} new events were put into the log and take the road of every event"
    if replaced:
        events = sum(item["events"] for item in replaced)
        yield f"{events:,} different events were put into the log and take the place of their rows"
    for item in (*stored, *replaced):
        for refused in item["refused"]:
            yield f"  refused: {item['segment']} record {item['record']}: {refused['reason']}: {refused['message']}"
        if item["why_not"]:
            yield f"  not replayed: {item['segment']} record {item['record']}: {item['why_not']}"
    if difference.vanished:
        yield f"{difference.vanished:,} events that are gone were left as they are"
