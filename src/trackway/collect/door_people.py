"""What the door knows of people, for the dialects that must answer with a profile."""

from trackway.control.database import State


class DoorPeople:
    """One per collector process."""

    def __init__(self, state: State) -> None:
        self._state = state

    def forget(self, noted: dict[str, str]) -> None:
        """The submission with these notes did not become durable, or was only to be validated."""
