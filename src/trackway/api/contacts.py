"""Routes about contacts: people by the id that a CRM gave them."""

from trackway.api.desk import ServerDesk
from trackway.api.people import DAYS, TIMELINE
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.api.updates import read_path_id, record_one, record_rows
from trackway.profiles.people import read_guards
from trackway.profiles.updates import UpdateRefused, word_contact
from trackway.query.activity import Whose, describe_engagement, list_timeline
from trackway.query.people import Person, find_by_identifier
from trackway.query.profiles import look_up


def put_contact(desk: ServerDesk, values: Values) -> Answer:
    contact_id = read_path_id(desk, "contact_id", values["contact_id"])
    try:
        event = word_contact(contact_id, values["body"], read_guards(desk.settings).blocked)
    except UpdateRefused as refused:
        raise ApiRefusal(ApiError.WRONG_BODY, str(refused), refused.field) from None
    return {"contact_id": contact_id, **record_one(desk, event | {"properties": {"by": values["by"]}})}


def put_contacts(desk: ServerDesk, values: Values) -> Answer:
    return record_rows(desk, values, "contacts", "contact_id", word_contact)


def show_contact(desk: ServerDesk, values: Values) -> Answer:
    contact_id = read_path_id(desk, "contact_id", values["contact_id"])
    found = look_up(desk.store, desk.state, desk.workspace, "contact_id", contact_id)
    if found is None:
        raise _nobody(contact_id)
    return {"contact_id": contact_id, **found}


def show_timeline(desk: ServerDesk, values: Values) -> Answer:
    chosen = dict(values)
    person = _demand_contact(desk, chosen.pop("contact_id"))
    return list_timeline(desk.store, desk.state, desk.workspace, Whose(person.keys), **chosen)


def show_engagement(desk: ServerDesk, values: Values) -> Answer:
    person = _demand_contact(desk, values["contact_id"])
    return describe_engagement(desk.store, desk.workspace, Whose(person.keys), desk.clock(), values["days"])


def _demand_contact(desk: ServerDesk, sent: str) -> Person:
    contact_id = read_path_id(desk, "contact_id", sent)
    person = find_by_identifier(desk.state, desk.workspace, "contact_id", contact_id)
    # A contact_id names a person, so the ledger has every one that it ever saw.
    if not person.known:
        raise _nobody(contact_id)
    return person


def _nobody(contact_id: str) -> ApiRefusal:
    return ApiRefusal(ApiError.UNKNOWN_PERSON, f"no contact is known by the id {contact_id[:100]!r}", "contact_id")


CONTACTS = f"{PREFIX}/contacts"
CONTACT = f"{CONTACTS}/{{contact_id}}"

CONTACT_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(CONTACTS, "Say what is known of many contacts", (), put_contacts, "POST", True, "contacts"),
    ApiRoute(CONTACT, "Who a contact is", (), show_contact),
    ApiRoute(CONTACT, "Say what is known of a contact", (), put_contact, "PUT", takes_body=True),
    ApiRoute(f"{CONTACT}/timeline", "What a contact did, newest first", TIMELINE, show_timeline),
    ApiRoute(f"{CONTACT}/engagement", "Events per day, top pages and the score", (DAYS,), show_engagement),
)
