"""The dialects, one file each. To add one: copy a file, add it here, write its docs page."""

from trackway.collect.protocol import Protocol
from trackway.collect.protocols.native import NATIVE
from trackway.collect.protocols.pact import PACT

PROTOCOLS: tuple[Protocol, ...] = (NATIVE, PACT)
