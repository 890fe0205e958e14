"""The made-up history of the sample shop: the same for the same day, and believable."""

import ipaddress
import json
from collections import Counter
from datetime import UTC, date, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from threading import Thread

import pytest
from examples.shop.crowd import BOTS
from examples.shop.customers import EMPLOYERS, TILL_ID
from examples.shop.history import make_day, make_history
from examples.shop.sending import SendingFailed, Sent, send_events

SHOP = "http://127.0.0.1:8001"
FIRST = date(2026, 3, 2)
UNTIL_MS = int(datetime(2026, 4, 1, tzinfo=UTC).timestamp() * 1000) - 1


@pytest.fixture(scope="module")
def month():
    return make_history(FIRST, UNTIL_MS, SHOP)


@pytest.fixture(scope="module")
def web(month):
    return [event for _, event in month.web]


def sessions_with(events, event_type, path=""):
    return {e.get("session_id") for e in events if e["event_type"] == event_type and path in e["url"]} - {None}


def test_a_day_made_twice_is_the_same_to_the_byte():
    assert json.dumps(make_day(FIRST, SHOP).web) == json.dumps(make_day(FIRST, SHOP).web)


def test_a_day_does_not_depend_on_how_much_history_was_asked_for(month):
    fewer = make_history(FIRST + timedelta(days=10), UNTIL_MS, SHOP)
    keys = {event["dedupe_key"]: event for _, event in month.web}
    assert all(keys[event["dedupe_key"]] == event for _, event in fewer.web)


def test_every_event_has_a_dedupe_key_of_its_own(month):
    keys = [event["dedupe_key"] for _, event in month.web + month.back_end]
    assert len(set(keys)) == len(keys)


def test_nothing_happens_after_the_end_and_the_day_itself_is_not_cut_elsewhere(month):
    noon = int(datetime(2026, 3, 31, 12, tzinfo=UTC).timestamp() * 1000)
    until_noon = make_history(FIRST, noon, SHOP)
    assert until_noon.web == [pair for pair in month.web if pair[0] <= noon]
    assert all(ms <= noon for ms, _ in until_noon.web)


def test_a_month_has_some_ten_thousand_events_on_every_day_of_it(web):
    assert 8_000 < len(web) < 40_000
    days = Counter(event["occurred_at"][:10] for event in web)
    assert len(days) == 30
    assert min(days.values()) > 100


def test_evenings_are_busier_than_nights_where_the_visitor_lives(web):
    berlin = [e for e in web if e["context"].get("time_zone") == "Europe/Berlin"]
    hours = Counter((datetime.fromisoformat(e["occurred_at"]).hour + 1) % 24 for e in berlin)
    assert sum(hours[hour] for hour in (18, 19, 20, 21)) > 8 * sum(hours[hour] for hour in (1, 2, 3, 4))


def test_the_funnel_narrows_and_ends_in_purchases(web):
    steps = [
        len(sessions_with(web, "page_view")),
        len(sessions_with(web, "page_view", "/product/")),
        len(sessions_with(web, "add_to_cart")),
        len(sessions_with(web, "checkout_started")),
        len(sessions_with(web, "purchase")),
    ]
    assert all(more > fewer > 0 for more, fewer in pairwise(steps))
    assert 0.01 < steps[-1] / steps[0] < 0.06


def test_visitors_come_again_with_the_same_id_in_another_session(web):
    sessions = {}
    for event in web:
        if event.get("anonymous_id"):
            sessions.setdefault(event["anonymous_id"], set()).add(event["session_id"])
    again = [ids for ids in sessions.values() if len(ids) > 1]
    assert 0.1 < len(again) / len(sessions) < 0.5


def test_visitors_come_from_campaigns_searches_assistants_and_many_countries(web):
    views = [event for event in web if event["event_type"] == "page_view"]
    referrers = {event.get("referrer") for event in views}
    assert {"", "https://www.google.com/", "https://chatgpt.com/", "https://www.perplexity.ai/"} <= referrers
    assert any("utm_source=newsletter" in event["url"] for event in views)
    assert any("gclid=" in event["url"] for event in views)
    assert len({event["context"].get("time_zone") for event in views}) > 10
    assert len({event["context"]["user_agent"] for event in views}) > 10


def test_bots_are_there_and_are_few(web):
    agents = Counter(event["context"]["user_agent"] for event in web)
    share = sum(agents[bot.user_agent] for bot in BOTS) / len(web)
    assert 0 < share < 0.1
    assert all(agents[bot.user_agent] for bot in BOTS)


def test_every_purchase_is_paid_once_and_a_payment_repeats_what_the_purchase_said(month, web):
    bought = {e["properties"]["order_id"]: e for e in web if e["event_type"] == "purchase"}
    paid = {e["properties"]["order_id"]: e for _, e in month.back_end if e["event_type"] == "order_paid"}
    assert set(paid) <= set(bought)
    assert len(set(bought) - set(paid)) <= 1  # a purchase seconds before the end is paid after it
    for order_id, payment in paid.items():
        assert payment["user_id"] == bought[order_id]["user_id"]
        assert payment["properties"]["revenue"] == bought[order_id]["properties"]["revenue"]
        assert payment["occurred_at"] > bought[order_id]["occurred_at"]


def test_some_customers_order_again_by_telephone_and_only_the_back_end_says_so(month, web):
    again = [e for _, e in month.back_end if e["event_type"] == "purchase"]
    assert again
    assert {e["user_id"] for e in again} <= {e.get("user_id") for e in web}
    assert all("anonymous_id" not in e and e["properties"]["revenue"] > 0 for e in again)


def test_people_log_in_on_several_devices_and_some_work_for_a_company(web):
    devices, users = {}, {}
    for event in web:
        if event["event_type"] == "identify":
            assert {"name", "email", "plan"} <= set(event["traits"])
            devices.setdefault(event["user_id"], set()).add(event["anonymous_id"])
            users.setdefault(event["anonymous_id"], set()).add(event["user_id"])
    assert any(len(ids) > 1 for ids in devices.values())
    assert [device for device, ids in users.items() if len(ids) > 1] == [TILL_ID]
    assert {event["account_id"] for event in web if event.get("account_id")} == set(EMPLOYERS)


def test_what_is_said_in_a_chat_belongs_to_one_interaction(web):
    chats = {}
    for event in web:
        if event.get("instance_id"):
            chats.setdefault(event["instance_id"], []).append(event["event_type"])
    assert chats
    assert all(kinds == ["widget_opened", "message_sent", "message_received"] for kinds in chats.values())


def test_revenue_is_the_sum_of_the_items(web):
    for event in web:
        if event["event_type"] == "purchase":
            items = event["properties"]["items"]
            total = sum(item["price"] * item["quantity"] for item in items)
            assert event["properties"]["revenue"] == pytest.approx(total)


def test_addresses_belong_to_nobody(web):
    reserved = [ipaddress.ip_network(n) for n in ("192.0.2.0/24", "198.51.100.0/24", "203.0.113.0/24", "2001:db8::/32")]
    for address in {event["context"]["ip"] for event in web}:
        assert any(ipaddress.ip_address(address) in network for network in reserved)


@pytest.fixture
def collector():
    """A server that answers as told: `answers` holds (status, body), the last one for ever."""

    class Request(BaseHTTPRequestHandler):
        def do_POST(self):
            body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            server.seen.append((self.headers["Authorization"], body["events"]))
            status, answer = server.answers.pop(0) if len(server.answers) > 1 else server.answers[0]
            if answer is None:
                answer = {"accepted": len(body["events"]), "duplicate": 0, "rejected": 0, "results": []}
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(answer).encode())

        def log_message(self, format, *args):
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Request)
    server.seen, server.answers = [], [(200, None)]
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


def test_events_are_posted_in_batches_of_500_with_the_secret_key(collector):
    sizes = []
    sent = send_events(collector.url, "secret", ({"event_type": "x", "n": n} for n in range(1200)), sizes.append)
    assert sent == Sent(accepted=1200)
    assert sizes == [500, 500, 200]
    assert [key for key, _ in collector.seen] == ["Bearer secret"] * 3
    assert [event["n"] for _, events in collector.seen for event in events] == list(range(1200))


def test_a_server_that_says_later_gets_the_same_batch_again(collector):
    collector.answers = [(503, {}), (200, None)]
    assert send_events(collector.url, "k", [{"event_type": "x"}]) == Sent(accepted=1)
    assert collector.seen[0] == collector.seen[1]


def test_a_refused_batch_is_not_sent_again_and_the_answer_is_told(collector):
    collector.answers = [(401, {"error": {"reason": "unknown_key"}})]
    with pytest.raises(SendingFailed, match=r"401.*unknown_key"):
        send_events(collector.url, "k", [{"event_type": "x"}])
    assert len(collector.seen) == 1


def test_one_refused_event_in_a_batch_is_told(collector):
    verdict = {"index": 0, "status": "rejected", "reason": "wrong_type"}
    collector.answers = [(207, {"accepted": 1, "duplicate": 0, "rejected": 1, "results": [verdict]})]
    with pytest.raises(SendingFailed, match="wrong_type"):
        send_events(collector.url, "k", [{"event_type": "x"}, {"event_type": "y"}])
