"""How thorough a run of the benchmarks is."""

from msgspec import Struct


class Effort(Struct, frozen=True, kw_only=True):
    """`runs` of each row are made, each load lasts `seconds`."""

    runs: int
    seconds: float
    drained_events: int
    light_events: int
    imported_lines: int
    stored_events: int
    page_closes: int


THOROUGH = Effort(
    runs=5,
    seconds=3.0,
    drained_events=200_000,
    light_events=200,
    imported_lines=50_000,
    stored_events=1_000_000,
    page_closes=200,
)
QUICK = Effort(
    runs=3,
    seconds=2.0,
    drained_events=50_000,
    light_events=50,
    imported_lines=20_000,
    stored_events=100_000,
    page_closes=40,
)
