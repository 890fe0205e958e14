"""What an erasure remembers between its steps, as JSON in its request's row."""

import msgspec
from msgspec import Struct, field

from trackway.control.privacy_requests import Request
from trackway.eventlog.interface import Position
from trackway.privacy.stored import select_people
from trackway.profiles.identifiers import Identifier, format_profile_id


class Progress(Struct):
    """`identifiers` are emptied as soon as nothing is looked for by them any more.

    `nodes` are in hex; rows of `profile_overrides` below `version` are of the time before. `removed` counts
    by place, `left` is what the re-query found. `scanned` is how far each stream of the log was read, `dead`
    the dead-lettered events whose outcome may quote them, `parts` the files of the store that are still to go.
    """

    nodes: list[str]
    identifiers: list[tuple[str, str]]
    erased_at: int
    version: int
    removed: dict[str, int] = field(default_factory=dict)
    left: dict[str, int] = field(default_factory=dict)
    scanned: dict[str, Position] = field(default_factory=dict)
    records_read: int = 0
    dead: list[str] = field(default_factory=list)
    parts: list[str] | None = None

    @property
    def node_bytes(self) -> frozenset[bytes]:
        return frozenset(bytes.fromhex(node) for node in self.nodes)

    @property
    def own_identifiers(self) -> tuple[Identifier, ...]:
        """With the ids of their profiles: some clients know nothing else of a person, and send it back."""
        profiles = [Identifier("profile_id", format_profile_id(node)) for node in sorted(self.node_bytes)]
        return (*(Identifier(kind, value) for kind, value in self.identifiers), *profiles)

    @property
    def condition(self) -> str:
        """Of the rows in the store that are to go."""
        return select_people(self.node_bytes, self.erased_at)

    @property
    def old_overrides(self) -> str:
        keys = ", ".join(f"'{format_profile_id(node)}'" for node in sorted(self.node_bytes))
        return f"profile_key IN ({keys}) AND version < {self.version}"

    @property
    def mark(self) -> str:
        """Something that only this erasure's mutations say."""
        return format_profile_id(min(self.node_bytes))

    def add(self, place: str, rows: int) -> None:
        self.removed[place] = self.removed.get(place, 0) + rows


def read_progress(request: Request) -> Progress:
    return msgspec.json.decode(request.progress, type=Progress)


def write_progress(progress: Progress) -> str:
    return msgspec.json.encode(progress).decode()
