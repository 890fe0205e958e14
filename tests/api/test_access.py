"""Who may ask."""

import pytest
from sqlalchemy import update

from trackway.api.access import SESSION_COOKIE, check_session
from trackway.api.replies import ApiRefusal
from trackway.control.sessions import csrf_token, read_session, sign_session
from trackway.control.tables import TOKENS
from trackway.control.users import FIRST_USER, User, ensure_first_user, make_token, read_user, set_password

PATH = "/api/v1/sources"


def test_the_admin_token_the_local_token_and_a_made_token_open(api) -> None:  # type: ignore[no-untyped-def]
    made = make_token(api.installation.state, "reports").token
    for token in (api.desk.admin_token, api.desk.local_token, made):
        assert api.get(PATH, token=token).status == 200
    assert api.get(PATH, {"Authorization": f"bearer   {made} "}, token="").status == 200


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        (None, "missing_key"),
        ("", "missing_key"),
        ("Bearer", "missing_key"),
        ("Bearer ", "missing_key"),
        ("Basic YWRtaW46YWRtaW4=", "missing_key"),
        ("Bearer wrong", "unknown_key"),
        ("Bearer " + "x" * 5000, "unknown_key"),
        ("Bearer caf\u00e9", "unknown_key"),
    ],
)
def test_without_a_good_token_the_answer_is_401_and_says_how(api, header: str | None, reason: str) -> None:  # type: ignore[no-untyped-def]
    answer = api.get(PATH, {} if header is None else {"Authorization": header}, token="")
    assert (answer.status, answer.error["reason"]) == (401, reason)
    assert answer.headers["www-authenticate"] == 'Bearer realm="trackway"'


def test_an_admin_token_that_is_not_set_opens_nothing(api) -> None:  # type: ignore[no-untyped-def]
    empty = type(api.desk)(**{f: getattr(api.desk, f) for f in api.desk.__struct_fields__} | {"admin_token": ""})
    api.server.config.app.state.desk = empty
    assert api.get(PATH).status == 401
    assert api.get(PATH, {"Authorization": "Bearer "}, token="").status == 401


def test_a_revoked_token_is_unknown(api) -> None:  # type: ignore[no-untyped-def]
    made = make_token(api.installation.state, "reports").token
    with api.installation.state.write() as connection:
        connection.execute(update(TOKENS).values(revoked_at=1))
    assert api.get(PATH, token=made).error["reason"] == "unknown_key"


def make_session(api) -> str:  # type: ignore[no-untyped-def]
    ensure_first_user(api.installation.state)
    user = read_user(api.installation.state, FIRST_USER)
    assert user is not None
    return sign_session(api.desk.secret, user)


def test_a_session_may_read_until_its_user_changes_the_password(api) -> None:  # type: ignore[no-untyped-def]
    cookie = {"Cookie": f"{SESSION_COOKIE}={make_session(api)}"}
    assert api.get(PATH, cookie, token="").status == 200
    set_password(api.installation.state, FIRST_USER, "a new long password")
    assert api.get(PATH, cookie, token="").error["reason"] == "unknown_key"


@pytest.mark.parametrize("change", ["forged", "cut", "other secret", "unknown user"])
def test_a_session_that_we_did_not_sign_is_unknown(api, change: str) -> None:  # type: ignore[no-untyped-def]
    good = make_session(api)
    cookie = {
        "forged": "x" + good,
        "cut": good[:-3],
        "other secret": sign_session(b"o" * 32, User(FIRST_USER, 1)),
        "unknown user": sign_session(api.desk.secret, User("nobody", 1)),
    }[change]
    assert api.get(PATH, {"Cookie": f"{SESSION_COOKIE}={cookie}"}, token="").error["reason"] == "unknown_key"


def test_a_wrong_token_is_not_made_good_by_a_session(api) -> None:  # type: ignore[no-untyped-def]
    cookie = {"Cookie": f"{SESSION_COOKIE}={make_session(api)}"}
    assert api.get(PATH, cookie, token="wrong").status == 401


def test_a_session_that_changes_something_must_show_its_csrf_token(api) -> None:  # type: ignore[no-untyped-def]
    cookie = make_session(api)
    session = read_session(api.desk.secret, cookie, 60)
    assert session is not None
    check_session(api.desk, cookie, "POST", csrf_token(api.desk.secret, session.nonce))
    for shown in ("", "wrong", "\u00e9"):
        with pytest.raises(ApiRefusal) as refused:
            check_session(api.desk, cookie, "POST", shown)
        assert refused.value.error.value.status == 403


def test_refused_answers_do_not_say_whether_something_is_there(api) -> None:  # type: ignore[no-untyped-def]
    event = api.installation.store_events(api.installation.add_source("shop"), [1_795_000_000_000])[0]
    there = api.get(f"/api/v1/events/{event.event_id}", token="")
    not_there = api.get("/api/v1/events/019aa3b2-4c5d-7e6f-8a9b-0c1d2e3f0000", token="")
    assert (there.status, there.body) == (not_there.status, not_there.body)
