"""For programs that send events to Trackway. It loads nothing of the server."""

from trackway.group_hash import calc_group

__all__ = ["calc_group"]
