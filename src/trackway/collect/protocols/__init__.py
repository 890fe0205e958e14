"""The dialects, one file each. To add one: copy a file, add it here, write its docs page."""

from trackway.collect.protocol import Example, Protocol
from trackway.collect.protocols.clarm import CLARM
from trackway.collect.protocols.native import NATIVE
from trackway.collect.protocols.orbee import ORBEE
from trackway.collect.protocols.pact import PACT
from trackway.collect.protocols.tracardi import TRACARDI
from trackway.collect.protocols.tracify import TRACIFY
from trackway.event import Source

PROTOCOLS: tuple[Protocol, ...] = (NATIVE, PACT, TRACIFY, CLARM, ORBEE, TRACARDI)


def show_example(source: Source, key: str) -> Example:
    """A first event of this source, in its dialect."""
    return next(protocol for protocol in PROTOCOLS if protocol.name == source.protocol).example(source, key)
