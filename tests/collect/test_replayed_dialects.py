"""Every dialect again: what it refuses can be found and tried again, and the log parsed once more gives what is stored."""

import time
from typing import Any

import pytest
from tests.collect.dialects import RECIPES, Sent

from trackway.app.folder import Folder
from trackway.app.log_comparison import LogComparison, Wanted
from trackway.app.supervisor import find_store_url
from trackway.clock import now_ms
from trackway.collect.limits import read_limits
from trackway.control.database import State, make_url
from trackway.control.workspaces import FIRST_WORKSPACE
from trackway.eventlog.embedded import LogReader
from trackway.settings import Settings
from trackway.store.client import EventStore
from trackway.testing.server import TestServer
from trackway.testing.waiting import wait_until

FIREFOX = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:133.0) Gecko/20100101 Firefox/133.0"}


@pytest.mark.parametrize("dialect", RECIPES)
def test_what_is_refused_is_kept_and_the_rest_is_parsed_again_as_it_was(server: TestServer, dialect: str) -> None:
    recipe = RECIPES[dialect]
    source = server.add_source(f"{dialect} {time.time_ns()}", dialect, recipe.channel, **recipe.settings)
    key = next(iter(source["credentials"].values()))

    def send(sent: Sent) -> None:
        answer = server.request("POST", sent.path, sent.body, {**FIREFOX, **sent.headers})
        assert answer.status < 500

    for event in recipe.events:
        send(recipe.wrap(key, [event]))
    send(recipe.wrap(key, [recipe.wrong]))
    letters = wait_for_letters(server, source["id"])
    assert [(each["kind"], each["protocol"]) for each in letters] == [("rejected", dialect)]
    sent = server.api(f"rejections/{letters[0]['id']}")["sent"]
    assert sent["body"].encode() == recipe.wrap(key, [recipe.wrong]).body

    asked = {"source": source["id"], "apply": True}
    [item] = server.post("/api/v1/rejections/replay", asked, server.admin_token).json["items"]
    assert item["events"] == 0
    assert {each["reason"] for each in item["refused"]} == {letters[0]["reason"]}

    books = server.wait_until_settled()
    line = next(each for each in books["sources"] if each["source"] == source["id"])
    difference = compare(server, source["id"])
    assert (difference.changed, difference.vanished, difference.new) == (0, 0, 0), difference
    assert difference.same + difference.anonymous == line["stored"] > 0


def wait_for_letters(server: TestServer, source: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = wait_until(lambda: server.api("rejections", source=source)["items"])
    return found


def compare(server: TestServer, source: str) -> Any:
    state, store = State(make_url(server.data, "")), EventStore(find_store_url(Folder(server.data), Settings()))
    try:
        comparison = LogComparison(state, store, LogReader(server.data / "log"), read_limits(Settings()))
        return comparison.compare(Wanted(since=0, until=now_ms() + 1, workspace=FIRST_WORKSPACE, source=source))
    finally:
        store.close()
        state.close()
