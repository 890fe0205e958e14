"""A receiver and clients that are closed when their test ends."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from tests.client.receiver import KEY, Receiver, start_receiver

from trackway.client import Client

MakeClient = Callable[..., Client]


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with start_receiver() as running:
        yield running


@pytest.fixture
def make_client(receiver: Receiver) -> Iterator[MakeClient]:
    """Of the receiver, unless `url` says another place."""
    made: list[Client] = []

    def make(url: str = "", write_key: str = KEY, **settings: Any) -> Client:
        client = Client(url or receiver.url, write_key, **settings)
        made.append(client)
        return client

    yield make
    for client in made:
        client.close(0.2)
