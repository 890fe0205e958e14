from urllib.parse import quote

import pytest

from trackway.control.sessions import sign_session
from trackway.control.users import User
from trackway.dashboard.access import choose_destination
from trackway.testing.server import TestServer

from .conftest import Visitor, read_csrf

PAGES = ["/app/tracking", "/app/tracking?range=7d", "/app/events", "/app/events/01890a5d-ac96-774b-bcce-b302099a0000",
         "/app/sources"]  # fmt: skip


@pytest.mark.parametrize("path", PAGES)
def test_a_page_leads_a_stranger_to_the_login_and_says_where_to_return(stranger: Visitor, path: str) -> None:
    answer = stranger.get(path)
    assert (answer.status, answer.headers["location"]) == (303, f"/app/login?next={quote(path, safe='')}")


@pytest.mark.parametrize("path", PAGES)
def test_a_twin_tells_a_stranger_in_json_that_a_login_is_needed(stranger: Visitor, path: str) -> None:
    answer = stranger.get(path.partition("?")[0] + ".json")
    assert (answer.status, answer.json["error"]["reason"]) == (401, "missing_key")


def test_a_part_of_a_page_sends_a_stranger_to_the_login_by_the_header_that_htmx_follows(stranger: Visitor) -> None:
    answer = stranger.get("/app/tracking/figures", hx_request="true")
    assert (answer.status, answer.headers["hx-redirect"], answer.body) == (401, "/app/login", b"")


def test_the_root_leads_to_tracking(member: Visitor) -> None:
    assert member.get("/").headers["location"].endswith("/app/")
    assert member.get("/app/").headers["location"] == "/app/tracking"


def test_a_login_gives_a_cookie_that_scripts_and_other_sites_do_not_get(stranger: Visitor) -> None:
    answer = stranger.log_in()
    cookie = answer.headers["set-cookie"]
    assert (answer.status, answer.headers["location"]) == (303, "/app/tracking")
    assert "HttpOnly" in cookie
    assert "samesite=lax" in cookie.lower()
    assert "Secure" not in cookie
    assert stranger.get("/app/tracking").status == 200


def test_behind_https_the_cookie_is_for_https_only(stranger: Visitor) -> None:
    assert "Secure" in stranger.log_in(x_forwarded_proto="https").headers["set-cookie"]


def test_a_wrong_password_and_an_unknown_name_get_the_same_answer(stranger: Visitor, server: TestServer) -> None:
    wrong = stranger.log_in("admin", "not the password")
    unknown = Visitor(server).log_in("nobody", "not the password")
    assert wrong.status == unknown.status == 401
    assert "Name or password is wrong." in wrong.body.decode()
    hide = [(read_csrf(answer), name) for answer, name in ((wrong, "admin"), (unknown, "nobody"))]
    pages = [
        answer.body.decode().replace(csrf, "").replace(f'value="{name}"', "")
        for answer, (csrf, name) in zip((wrong, unknown), hide, strict=True)
    ]
    assert pages[0] == pages[1]
    stranger.log_in()  # so that the failure does not slow down other tests


def test_guessing_has_to_wait_whether_or_not_the_account_exists(stranger: Visitor) -> None:
    """The first wait is a second, which a busy machine may take to ask again; each is twice as long as the last."""
    answers = [stranger.log_in("does-not-exist", f"guess number {n}") for n in range(3)]
    while answers[-1].status != 429 and len(answers) < 8:
        answers.append(stranger.log_in("does-not-exist", f"guess number {len(answers)}"))
    assert [answer.status for answer in answers] == [401] * (len(answers) - 1) + [429]
    assert int(answers[-1].headers["retry-after"]) >= 1
    assert "Too many attempts" in answers[-1].body.decode()


def test_a_login_form_of_another_site_is_refused(stranger: Visitor, server: TestServer) -> None:
    for headers in ({"sec_fetch_site": "cross-site"}, {"origin": "https://evil.example"}, {"origin": "null"}):
        assert stranger.log_in(**headers).status == 403
    assert stranger.log_in(origin=server.url).status == 303


def test_a_login_form_needs_its_token(stranger: Visitor, server: TestServer) -> None:
    stranger.get("/app/login")
    fields = {"name": "admin", "password": server.password}
    assert stranger.post("/app/login", fields).status == 403
    assert stranger.post("/app/login", fields | {"csrf": "0" * 64}).status == 403
    other = read_csrf(Visitor(server).get("/app/login"))
    assert stranger.post("/app/login", fields | {"csrf": other}).status == 403


def test_a_browser_without_cookies_is_told_so(server: TestServer) -> None:
    csrf = read_csrf(Visitor(server).get("/app/login"))
    fields = {"name": "admin", "password": server.password, "csrf": csrf}
    answer = Visitor(server).post("/app/login", fields)
    assert answer.status == 403
    assert "Allow cookies" in answer.body.decode()


def test_after_the_logout_the_browser_has_no_session(stranger: Visitor) -> None:
    stranger.log_in()
    csrf = read_csrf(stranger.get("/app/tracking"))
    assert stranger.post("/app/logout", {}).status == 403
    answer = stranger.post("/app/logout", {"csrf": csrf})
    assert answer.headers["location"] == "/app/login"
    assert stranger.cookies["tw_session"] in ("", '""')
    assert stranger.get("/app/tracking").status == 303


def test_a_session_of_before_a_new_password_or_of_another_installation_is_none(server: TestServer) -> None:
    secret = (server.data / "secret.key").read_bytes()
    for cookie in (
        sign_session(secret, User("admin", 0)),
        sign_session(secret, User("nobody", 1)),
        sign_session(b"x" * 32, User("admin", 1)),
        "garbage",
        "",
    ):
        assert Visitor(server, {"tw_session": cookie}).get("/app/tracking").status == 303


@pytest.mark.parametrize(
    "wanted",
    ["https://evil.example/", "//evil.example/app/", "/\\evil.example", "/app//evil.example", "/app/\\evil.example",
     "javascript:alert(1)", "/api/v1/events", "/app", "", "/app/\nx", "/app/tracking\u2028"],
)  # fmt: skip
def test_a_login_never_leads_to_another_site(wanted: str) -> None:
    assert choose_destination(wanted) == "/app/tracking"


def test_a_login_leads_to_the_page_that_was_asked_for() -> None:
    assert choose_destination("/app/events?event_type=a//b&source=x") == "/app/events?event_type=a//b&source=x"


def test_who_is_logged_in_is_not_asked_again(member: Visitor) -> None:
    assert member.get("/app/login?next=/app/events").headers["location"] == "/app/events"
