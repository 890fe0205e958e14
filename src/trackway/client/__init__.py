"""For programs that send events to Trackway. It loads nothing of the server.

docs/reference/python-client.md has every argument.
"""

from trackway.client.client import Client
from trackway.client.events import EventFields, MoreFields
from trackway.client.reports import QueueFull, Rejected, Stats
from trackway.group_hash import calc_group

__all__ = ["Client", "EventFields", "MoreFields", "QueueFull", "Rejected", "Stats", "calc_group"]
