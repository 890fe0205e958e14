"""Sources and their credentials: who may send, and by which key.

A channel `web` or `mobile` source gets a public key: it may only write, and pages show it.
A `server` or `api` source gets a secret key: shown once, kept as a SHA-256 digest.
"""

import hashlib
import re
import secrets
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal

import msgspec
from msgspec import Struct
from sqlalchemy import Connection, Row, insert, select, update
from sqlalchemy.exc import IntegrityError

from trackway.clock import now_ms
from trackway.control.database import State, bump_version
from trackway.control.tables import CREDENTIALS, SOURCES, WORKSPACES
from trackway.control.tracardi_templates import WrongTemplate, read_mapping, read_reshaping
from trackway.control.workspaces import FIRST_WORKSPACE, TEST_WORKSPACE, ensure_test_workspace
from trackway.event import CHANNELS, Channel, Source

SHOWN_OF_A_SECRET = 14
LONGEST_NAME = 200
OWN_SOURCE = "trackway"
OWN_TEST_SOURCE = "trackway-test"
OWN_SOURCES = frozenset({OWN_SOURCE, OWN_TEST_SOURCE})
PUBLIC_CHANNELS: tuple[Channel, ...] = ("web", "mobile")


class SourceError(ValueError):
    """A source cannot be made or changed as asked; the text says why and what to do."""


class CredentialForm(Struct, frozen=True):
    """What a client of one protocol sends to name its source: the field's name and how a key is made.

    `of_source` makes it of the source's id and settings, where the dialect has no secret; otherwise
    it is random. `trusted` says whose key is believed: a back end's, everybody's or nobody's; a key
    that is not may go by a name of its own, `public_field`.
    `defaults` fill in settings that were not given. `test_prefix` is that of a secret key of the test
    space, where the dialect tells it from a live one.
    """

    field: str
    public_prefix: str = ""
    secret_prefix: str = ""
    random_bytes: int = 16
    of_source: Callable[[str, Mapping[str, str]], str] | None = None
    trusted: Literal["back_end", "always", "never"] = "back_end"
    defaults: Mapping[str, Callable[[], str]] = {}
    test_prefix: str = ""
    public_field: str = ""

    def name_field(self, trusted: bool) -> str:
        return self.field if trusted else self.public_field or self.field

    def hides(self, trusted: bool) -> bool:
        """Is the key a secret, readable once only?"""
        return trusted and self.of_source is None

    def trusts(self, channel: str) -> bool:
        return self.trusted == "always" or (self.trusted == "back_end" and channel not in PUBLIC_CHANNELS)

    def make(self, trusted: bool, test: bool = False) -> str:
        """A fresh random key."""
        secret_prefix = self.test_prefix or self.secret_prefix if test else self.secret_prefix
        return (secret_prefix if trusted else self.public_prefix) + secrets.token_hex(self.random_bytes)


# One line per protocol; the protocol itself is collect/protocols/<name>.py.
CREDENTIAL_FORMS: dict[str, CredentialForm] = {
    "native": CredentialForm("write_key", "tw_pub_", "tw_secret_"),
    "pact": CredentialForm("api_key", "pact_pub_", "pact_live_", test_prefix="pact_test_"),
    "clarm": CredentialForm("api_key", "wgt_", "clm_", public_field="widget_id"),
    "orbee": CredentialForm(
        "tracker",
        of_source=lambda source_id, settings: f"{settings['account_id']}/{settings['tracker_id']}",
        trusted="never",
        defaults={"account_id": lambda: "1", "tracker_id": lambda: str(secrets.randbelow(9 * 10**8) + 10**8)},
    ),
    "tracify": CredentialForm("tracify-token", secret_prefix="tracify_", trusted="always"),
    "tracardi": CredentialForm("source_id", of_source=lambda source_id, settings: source_id),
}


_UUID = r"[0-9A-Fa-f]{8}(-[0-9A-Fa-f]{4}){3}-[0-9A-Fa-f]{12}"


def _is_switch(value: str) -> bool:
    return value in ("yes", "no")


def _is_text_of(read: Callable[[str], object], value: str) -> bool:
    """True, or a SourceError that says where the template is wrong: it is too long a text to find that by oneself."""
    try:
        read(value)
    except WrongTemplate as error:
        raise SourceError(str(error)) from None
    return True


# What `--set KEY=VALUE` may set, with the check of its value.
SOURCE_SETTINGS: dict[str, Callable[[str], bool]] = {
    "origins": lambda value: all(
        re.fullmatch(r"\*|https?://([^/\s\[\]]+|\[[\da-f:.]+\](:\d+)?)", o) for o in value.split(",")
    ),
    "bots": lambda value: value in ("mark", "drop"),
    "environment": lambda value: value in ("live", "test"),
    "reissue_cookie": _is_switch,
    "rate_limit": lambda value: re.fullmatch(r"[1-9]\d{0,7}", value) is not None,
    "trait_priority": lambda value: re.fullmatch(r"-?\d{1,4}", value) is not None,
    "account_id": lambda value: re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value) is not None,
    "tracker_id": lambda value: re.fullmatch(r"[A-Za-z0-9._-]{1,100}", value) is not None,
    "vendors": lambda value: all(vendor.strip() for vendor in value.split(",")),
    "strict": _is_switch,
    "success_status": lambda value: value in ("200", "202", "204"),
    "customer_site_id": lambda value: all(re.fullmatch(_UUID, each.strip()) for each in value.split(",")),
    "partial": _is_switch,
    "empty_identity": _is_switch,
    "bridge": lambda value: all(part in ("rest", "webhook", "redirect") for part in value.split(",")),
    "redirect_to": lambda value: re.fullmatch(r"https?://[!-~]+", value) is not None,
    "redirect_event_type": lambda value: re.fullmatch(r"\S.{0,199}", value) is not None,
    "system_events": _is_switch,
    "static_profile_id": _is_switch,
    "returns_profile": _is_switch,
    "requires_consent": _is_switch,
    "debugger": _is_switch,
    "reshaping": partial(_is_text_of, read_reshaping),
    "mapping": partial(_is_text_of, read_mapping),
}


# Settings that one dialect reads; the others are for every source.
DIALECT_SETTINGS: dict[str, tuple[str, ...]] = {
    "native": ("reissue_cookie",),
    "orbee": ("account_id", "tracker_id", "vendors", "strict", "success_status"),
    "tracify": ("customer_site_id", "partial", "empty_identity"),
    "tracardi": (
        *("bridge", "redirect_to", "redirect_event_type", "system_events", "static_profile_id", "returns_profile"),
        *("requires_consent", "debugger", "reshaping", "mapping"),
    ),
}


class AddedSource(Struct, frozen=True):
    """Where the key is `secret`, `credentials` are readable here only: nothing but its digest is kept."""

    source: Source
    credentials: dict[str, str]
    secret: bool


class SourceKey(Struct, frozen=True):
    """A credential as it may be shown: whole when public, the first characters when secret."""

    source: str
    field: str
    trusted: bool
    shown: str


class KeyHolder(Struct, frozen=True):
    source: Source
    trusted: bool


def digest_key(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()


def _make_id(connection: Connection, name: str) -> str:
    slug = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:40] or "source"
    taken = set(connection.execute(select(SOURCES.c.id).where(SOURCES.c.id.like(f"{slug}%"))).scalars())
    return next(i for i in (slug, *(f"{slug}-{n}" for n in range(2, len(taken) + 3))) if i not in taken)


def check_settings(settings: Mapping[str, str]) -> None:
    """SourceError when a setting is unknown or its value cannot be used."""
    for key, value in settings.items():
        if key not in SOURCE_SETTINGS:
            raise SourceError(f"there is no source setting {key!r}; known: source_id, {', '.join(SOURCE_SETTINGS)}")
        try:
            sound = SOURCE_SETTINGS[key](value)
        except SourceError as error:
            raise SourceError(f"{key}{error}" if str(error).startswith("[") else f"{key} {error}") from None
        if not sound:
            raise SourceError(f"{key}={value!r:.200} is not a value of this setting; see docs/reference/sources.md")


def add_source(
    state: State,
    name: str,
    protocol: str,
    channel: str,
    settings: Mapping[str, str],
    workspace: str = FIRST_WORKSPACE,
) -> AddedSource:
    """Register a source and make its credential. `settings` may hold `source_id` to fix the id.

    With `environment=test` it belongs to the test space, whatever `workspace` says: what it sends
    never meets real people and figures. SourceError when the protocol, channel, name, id or a setting cannot be used.
    """
    name = name.strip()
    if not name or len(name) > LONGEST_NAME:
        raise SourceError(f"a source needs a name of 1 to {LONGEST_NAME} characters")
    if protocol not in CREDENTIAL_FORMS:
        raise SourceError(f"there is no protocol {protocol!r}; known: {', '.join(CREDENTIAL_FORMS)}")
    if channel not in CHANNELS:
        raise SourceError(f"channel must be one of {', '.join(CHANNELS)}, not {channel!r}")
    kept = dict(settings)
    source_id = kept.pop("source_id", "")
    if source_id and not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,59}", source_id):
        raise SourceError("source_id takes letters, digits, '.', '_' and '-', at most 60")
    check_settings(kept)
    form = CREDENTIAL_FORMS[protocol]
    kept = {**{name: default() for name, default in form.defaults.items()}, **kept}
    now = now_ms()
    if kept.get("environment") == "test":
        workspace = TEST_WORKSPACE
        ensure_test_workspace(state)
    try:
        with state.write() as connection:
            if connection.execute(select(WORKSPACES.c.id).where(WORKSPACES.c.id == workspace)).first() is None:
                raise SourceError(f"there is no workspace {workspace!r}")
            source_id = source_id or _make_id(connection, name)
            trusted = form.trusts(channel)
            key = form.of_source(source_id, kept) if form.of_source else form.make(trusted, workspace == TEST_WORKSPACE)
            connection.execute(
                insert(SOURCES).values(
                    id=source_id,
                    workspace=workspace,
                    name=name,
                    protocol=protocol,
                    channel=channel,
                    enabled=True,
                    settings=msgspec.json.encode(kept).decode(),
                    created_at=now,
                )
            )
            connection.execute(insert(CREDENTIALS).values(**make_credential(key, source_id, form, trusted)))
            bump_version(connection)
    except IntegrityError:
        raise SourceError(
            f"there is already a source named {name!r}, or with the id {source_id!r}, or with the same {form.field}"
        ) from None
    source = Source(id=source_id, workspace=workspace, name=name, protocol=protocol, channel=channel, settings=kept)
    return AddedSource(source, {form.name_field(trusted): key}, form.hides(trusted))


def issue_key(state: State, source_id: str) -> str:
    """A further secret key of a source, for a job of our own; see `revoke_key`."""
    with state.write() as connection:
        source = connection.execute(select(SOURCES).where(SOURCES.c.id == source_id)).first()
        if source is None:
            raise SourceError(f"there is no source {source_id!r}; see trackway sources list")
        form = CREDENTIAL_FORMS[source.protocol]
        key = form.make(trusted=True, test=source.workspace == TEST_WORKSPACE)
        connection.execute(insert(CREDENTIALS).values(**make_credential(key, source_id, form, trusted=True)))
        bump_version(connection)
    return key


def ensure_own_source(state: State, workspace: str = FIRST_WORKSPACE) -> Source:
    """The source of what Trackway itself records: contacts, accounts, consent. It has no key that anyone holds."""
    for source in list_sources(state, workspace):
        if source.id in OWN_SOURCES:
            return source
    own = OWN_TEST_SOURCE if workspace == TEST_WORKSPACE else OWN_SOURCE
    added = add_source(state, "Trackway", "native", "api", {"source_id": own}, workspace)
    for key in added.credentials.values():
        revoke_key(state, key)
    return added.source


def revoke_key(state: State, key: str) -> None:
    """The key ends; collectors follow within a second."""
    with state.write() as connection:
        connection.execute(
            update(CREDENTIALS).where(CREDENTIALS.c.digest == digest_key(key)).values(revoked_at=now_ms())
        )
        bump_version(connection)


def make_credential(key: str, source_id: str, form: CredentialForm, trusted: bool) -> dict[str, Any]:
    secret = form.hides(trusted)
    return {
        "digest": digest_key(key),
        "source": source_id,
        "field": form.name_field(trusted),
        "trusted": trusted,
        "shown": key[:SHOWN_OF_A_SECRET] + "…" if secret else key,
        "created_at": now_ms(),
    }


def set_enabled(state: State, source_id: str, enabled: bool) -> None:
    with state.write() as connection:
        changed = connection.execute(update(SOURCES).where(SOURCES.c.id == source_id).values(enabled=enabled))
        if changed.rowcount == 0:
            raise SourceError(f"there is no source {source_id!r}; see trackway sources list")
        bump_version(connection)


def read_source(row: Row[Any]) -> Source:
    return Source(
        id=row.id,
        workspace=row.workspace,
        name=row.name,
        protocol=row.protocol,
        channel=row.channel,
        enabled=row.enabled,
        settings=msgspec.json.decode(row.settings),
    )


def list_sources(state: State, workspace: str | None = None) -> list[Source]:
    query = select(SOURCES).order_by(SOURCES.c.created_at, SOURCES.c.id)
    if workspace is not None:
        query = query.where(SOURCES.c.workspace == workspace)
    with state.read() as connection:
        return [read_source(row) for row in connection.execute(query)]


def list_keys(state: State, workspace: str) -> list[SourceKey]:
    """Keys that are in force, as they may be shown."""
    query = (
        select(CREDENTIALS.c.source, CREDENTIALS.c.field, CREDENTIALS.c.trusted, CREDENTIALS.c.shown)
        .join(SOURCES)
        .where(SOURCES.c.workspace == workspace, CREDENTIALS.c.revoked_at.is_(None))
        .order_by(CREDENTIALS.c.created_at)
    )
    with state.read() as connection:
        return [SourceKey(*row) for row in connection.execute(query)]


def read_key_holders(state: State) -> dict[str, KeyHolder]:
    """Digest of every key in force -> whose it is. The collector keeps this in memory."""
    query = (
        select(SOURCES, CREDENTIALS.c.digest, CREDENTIALS.c.trusted)
        .join(CREDENTIALS)
        .where(CREDENTIALS.c.revoked_at.is_(None))
    )
    with state.read() as connection:
        return {row.digest: KeyHolder(read_source(row), row.trusted) for row in connection.execute(query)}
