"""Query of an address -> campaign fields and advertising click id, never an error.

It deliberately keeps no parameter but those of `campaign_words`: what a site puts into its addresses is
its own business.
"""

from functools import lru_cache
from urllib.parse import parse_qsl

from msgspec import Struct
from msgspec.structs import replace

from trackway.campaign_words import CAMPAIGN_NAMES, CAMPAIGN_PARAMETERS, CLICK_ID_KINDS

CACHED_QUERIES = 4096
LONGEST_VALUE = 500

_CONTROLS = dict.fromkeys([*range(32), 127])


class Campaign(Struct, frozen=True):
    """What a query says of where its visitor came from; "" and None where it says nothing."""

    source: str = ""
    medium: str = ""
    campaign: str = ""
    term: str = ""
    content: str = ""
    click_id_kind: str = ""
    click_id: str = ""

    def otherwise(self, other: "Campaign") -> "Campaign":
        """What `other` says of the campaign where this says nothing of one, and of the click id likewise.

        Campaigns are never mixed: the source of one with the medium of another is nobody's.
        """
        named = self if self.source or self.medium or self.campaign or self.term or self.content else other
        clicked = self if self.click_id else other
        return replace(named, click_id_kind=clicked.click_id_kind, click_id=clicked.click_id)


NO_CAMPAIGN = Campaign()


class Queries:
    """Reads queries and remembers those read lately."""

    def __init__(self) -> None:
        self.read = lru_cache(CACHED_QUERIES)(_read_query)


def _read_query(query: str) -> Campaign:
    """Names in any case; `+` and percent signs decoded, undecodable bytes as U+FFFD; the first of a repeated name wins."""
    said: dict[str, str] = {}
    for name, value in parse_qsl(query, errors="replace"):
        name = name.lower()
        if (
            name in CAMPAIGN_PARAMETERS
            and name not in said
            and (value := value.translate(_CONTROLS).strip()[:LONGEST_VALUE])
        ):
            said[name] = value
    if not said:
        return NO_CAMPAIGN
    click_id_kind = next((kind.name for kind in CLICK_ID_KINDS if kind.name in said), "")
    return Campaign(
        **{field: next((said[name] for name in names if name in said), "") for field, names in CAMPAIGN_NAMES.items()},
        click_id_kind=click_id_kind,
        click_id=said.get(click_id_kind, ""),
    )
