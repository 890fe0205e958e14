"""Routes about accounts: companies, who belongs to them, and what they did."""

from trackway.api.bodies import read_text, refuse_unknown
from trackway.api.desk import ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.people import CURSOR, DAYS, LIMIT, TIMELINE, demand_person
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.api.updates import read_path_id, record_one, record_rows
from trackway.profiles.people import read_guards
from trackway.profiles.updates import UpdateRefused, word_account, word_person_added
from trackway.query.accounts import Account, describe_account, list_accounts, read_account
from trackway.query.activity import Whose, describe_engagement, list_timeline, summarise
from trackway.query.people import check_profile_id


def show_accounts(desk: ServerDesk, values: Values) -> Answer:
    return list_accounts(desk.state, desk.workspace, **values)


def put_account(desk: ServerDesk, values: Values) -> Answer:
    account_id = read_path_id(desk, "account_id", values["account_id"])
    try:
        event = word_account(account_id, values["body"], read_guards(desk.settings).blocked)
    except UpdateRefused as refused:
        raise ApiRefusal(ApiError.WRONG_BODY, str(refused), refused.field) from None
    return {"account_id": account_id, **record_one(desk, event | {"properties": {"by": values["by"]}})}


def put_accounts(desk: ServerDesk, values: Values) -> Answer:
    return record_rows(desk, values, "accounts", "account_id", word_account)


def show_account(desk: ServerDesk, values: Values) -> Answer:
    account_id = read_path_id(desk, "account_id", values["account_id"])
    found = describe_account(desk.store, desk.state, desk.workspace, account_id)
    if found is None:
        raise _unknown(account_id)
    return found


def show_timeline(desk: ServerDesk, values: Values) -> Answer:
    chosen = dict(values)
    account = _demand_account(desk, chosen.pop("account_id"))
    return {**list_timeline(desk.store, desk.state, desk.workspace, account.whose, **chosen), **account.people}


def show_engagement(desk: ServerDesk, values: Values) -> Answer:
    account = _demand_account(desk, values["account_id"])
    told = describe_engagement(desk.store, desk.workspace, account.whose, desk.clock(), values["days"])
    return {**told, **account.people}


def add_person(desk: ServerDesk, values: Values) -> Answer:
    account = _demand_account(desk, values["account_id"])
    body = values["body"]
    refuse_unknown(body, ("profile_id",))
    sent = read_text(body, "profile_id", required=True)
    check_profile_id(sent)
    person = demand_person(desk, sent)
    if not person.known and not summarise(desk.store, desk.workspace, Whose(person.keys))["events"]:
        raise ApiRefusal(ApiError.UNKNOWN_PERSON, f"no profile has or had the id {sent}", "profile_id")
    recorded = record_one(desk, word_person_added(account.id, person.id, values["by"]))
    return {"account_id": account.id, "profile_id": person.id, **recorded}


def _demand_account(desk: ServerDesk, sent: str) -> Account:
    account_id = read_path_id(desk, "account_id", sent)
    account = read_account(desk.store, desk.state, desk.workspace, account_id)
    if account is None:
        raise _unknown(account_id)
    return account


def _unknown(account_id: str) -> ApiRefusal:
    return ApiRefusal(ApiError.UNKNOWN_PERSON, f"no account is known by the id {account_id[:100]!r}", "account_id")


ACCOUNTS = f"{PREFIX}/accounts"
ACCOUNT = f"{ACCOUNTS}/{{account_id}}"

ACCOUNT_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        ACCOUNTS,
        "The accounts, seen last first",
        (LIMIT, Parameter("name", "", "Only accounts whose name or id holds this"), CURSOR),
        show_accounts,
    ),
    ApiRoute(ACCOUNTS, "Say what is known of many accounts", (), put_accounts, "POST", True, "accounts"),
    ApiRoute(ACCOUNT, "What an account is, and who belongs to it", (), show_account),
    ApiRoute(ACCOUNT, "Say what is known of an account", (), put_account, "PUT", takes_body=True),
    ApiRoute(f"{ACCOUNT}/timeline", "What happened at an account, newest first", TIMELINE, show_timeline),
    ApiRoute(f"{ACCOUNT}/engagement", "Events per day, top pages and the score", (DAYS,), show_engagement),
    ApiRoute(f"{ACCOUNT}/people", "Say that somebody belongs to an account", (), add_person, "POST", takes_body=True),
)
