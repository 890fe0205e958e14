"""Every setting, once: from this table come the environment names, the file and the docs page.

A setting `name` is read from the environment as `TRACKWAY_NAME`, else from `settings.toml` in
the data folder, else it has the default below. Command-line flags win over both.
"""

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Any


def setting(default: Any, help: str) -> Any:
    return field(default=default, metadata={"help": help})


class SettingError(ValueError):
    """A setting has a name or value that cannot be used; the text says which and what to do."""


@dataclass(frozen=True, kw_only=True)
class Settings:
    """All settings of one installation. Sizes are bytes, times are in the unit of the name."""

    host: str = setting("127.0.0.1", "Address the server listens on")
    port: int = setting(8000, "Port the server listens on; 0 takes a free one")
    collectors: int = setting(1, "How many collector processes share the port")
    admin_token: str = setting(
        "", "Token accepted as `Authorization: Bearer` on /api/v1/*, for automation; empty switches it off"
    )
    state_url: str = setting("", "SQLAlchemy URL of the relational state; empty means SQLite in the data folder")
    clickhouse_url: str = setting(
        "", "URL of a ClickHouse (http://user:password@host:8123/database); empty means the embedded engine"
    )
    trusted_proxies: str = setting(
        "127.0.0.0/8,::1/128", "Networks whose X-Forwarded-For and country headers are believed, comma separated"
    )
    script_path: str = setting(
        "/js/trackway.js", "A further path of the browser script, such as /a/s.js; the usual one goes on working"
    )
    collect_path: str = setting(
        "/v1/events",
        "A further path at which the native protocol takes events, such as /a/e; the usual one goes on working",
    )
    location_file: str = setting("", "Path of an .mmdb file for country, region and city; empty means none")

    body_bytes: int = setting(5_000_000, "Largest request body as sent")
    decompressed_bytes: int = setting(20_000_000, "Largest request body after unpacking")
    event_bytes: int = setting(1_000_000, "Largest single event as JSON")
    events_per_call: int = setting(1_000, "Most events in one call, at most 65,536")
    values_per_call: int = setting(
        500_000, "Most JSON values in one call: fields of objects, items of lists, and the objects and lists themselves"
    )
    json_depth: int = setting(64, "Deepest JSON nesting of a body")
    header_bytes: int = setting(32_768, "Largest request line and headers together")
    request_seconds: int = setting(
        120, "Longest time in which a request must have arrived, headers and body; a later one is answered 408"
    )

    dedupe_window_days: int = setting(30, "How long a dedupe_key is remembered")
    log_segment_bytes: int = setting(64_000_000, "Size at which a log segment is closed")
    log_keep_hours: int = setting(
        72, "How long processed submissions stay in the log for a replay; they hold full addresses"
    )
    log_backlog_bytes: int = setting(20_000_000_000, "Unprocessed log size from which new events are answered 503")
    disk_reserve_bytes: int = setting(200_000_000, "Free disk space below which new events are answered 507")

    dead_letter_days: int = setting(30, "How long dead letters, conflicts and rejected bodies are kept")
    kept_refusal_bytes: int = setting(
        65_536, "Most that is kept of the body of a refused request; a longer one is cut and cannot be replayed"
    )
    rejections_per_day: int = setting(
        10_000, "Most rejections, and most conflicts, that are kept of one source and day; the rest is only counted"
    )
    rejection_bytes_per_day: int = setting(20_000_000, "Most bytes that are kept of them; the rest is only counted")

    pipeline_batch_submissions: int = setting(10_000, "Most submissions in one pipeline batch")
    pipeline_linger_ms: int = setting(150, "How long the pipeline waits for more events before it writes a small batch")
    engine_memory_bytes: int = setting(2_000_000_000, "Memory cap of the embedded engine")
    engine_old_parts_seconds: int = setting(
        60, "How long the embedded engine keeps files that it has merged or deleted away; an erasure waits for it"
    )
    engine_threads: int = setting(2, "Threads one query of the embedded engine may use")

    identity_cap: int = setting(100, "Most identifiers of one kind in one profile; further links are quarantined")
    identity_hub: int = setting(
        250, "Links from which on an identifier is taken for nobody's; those of public keys are counted apart"
    )
    blocked_identifiers: str = setting(
        "", "Further words that name nobody, comma separated, beside null, undefined, anonymous, guest and the like"
    )

    session_hours: int = setting(24 * 14, "How long a dashboard login lasts")


SETTING_NAMES = tuple(f.name for f in fields(Settings))


def _convert(name: str, kind: type, raw: object) -> object:
    try:
        return kind(raw) if not isinstance(raw, bool) else raw
    except (TypeError, ValueError):
        raise SettingError(f"setting {name}: {raw!r} is not {'a whole number' if kind is int else 'a text'}") from None


def load_settings(data: Path, environment: Mapping[str, str] = os.environ, **flags: Any) -> Settings:
    """Settings of the data folder `data`. Flags that are None count as not given."""
    file = data / "settings.toml"
    stored: dict[str, Any] = tomllib.loads(file.read_text()) if file.exists() else {}
    for name in stored:
        if name not in SETTING_NAMES:
            raise SettingError(f"{file}: there is no setting {name!r}; see docs/reference/settings.md")
    values: dict[str, Any] = {}
    for f in fields(Settings):
        kind = int if isinstance(f.default, int) else str
        for raw in (flags.get(f.name), environment.get(f"TRACKWAY_{f.name.upper()}"), stored.get(f.name)):
            if raw is not None:
                values[f.name] = _convert(f.name, kind, raw)
                break
    return Settings(**values)
