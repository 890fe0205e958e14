"""Routes of privacy: erasures and exports that somebody asks for, and how far they are."""

from typing import Any

from trackway.api.bodies import read_text, refuse_unknown
from trackway.api.desk import ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.replies import ApiError, ApiRefusal, Download
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.control.pii import list_findings, list_pii_rules, set_pii_rule
from trackway.control.privacy_requests import (
    MOST_LISTED,
    Kind,
    Request,
    ask_request,
    describe_request,
    find_request,
    list_requests,
)
from trackway.control.retention import WrongRule, list_rules, put_rules, read_rules
from trackway.control.workspaces import IP_MODES, list_workspaces, set_ip_mode
from trackway.query.privacy import Subject, describe_retention, find_subject
from trackway.query.questions import check_number

FIELDS = ("kind", "value", "country", "profile_id", "reason")


def ask(kind: Kind) -> Any:
    def answer(desk: ServerDesk, values: Values) -> Answer:
        body = values["body"]
        refuse_unknown(body, FIELDS)
        subject = read_subject(desk, body)
        reason = read_text(body, "reason")
        made = ask_request(
            desk.state, desk.workspace, kind, subject.profile, subject.about, values["by"], desk.clock(), reason
        )
        return describe_request(made)

    return answer


def read_subject(desk: ServerDesk, body: dict[str, Any]) -> Subject:
    """Whom the body names: `profile_id`, or `kind` and `value`."""
    if profile_id := read_text(body, "profile_id"):
        if body.get("kind") or body.get("value"):
            raise ApiRefusal(ApiError.WRONG_BODY, "send profile_id, or kind and value, not both", "profile_id")
        kind, value = "profile_id", profile_id
    else:
        kind, value = (read_text(body, name, required=True) for name in ("kind", "value"))
    subject = find_subject(desk.state, desk.workspace, kind, value, read_text(body, "country"))
    if subject is None:
        raise ApiRefusal(ApiError.UNKNOWN_PERSON, f"no profile has or had the id {value[:60]}", "profile_id")
    return subject


def show_requests(desk: ServerDesk, values: Values) -> Answer:
    check_number("limit", values["limit"], 1, MOST_LISTED)
    return {"items": [describe_request(each) for each in list_requests(desk.state, desk.workspace, values["limit"])]}


def show_request(desk: ServerDesk, values: Values) -> Answer:
    return describe_request(demand_request(desk, values["request_id"]))


def fetch_export(desk: ServerDesk, values: Values) -> Answer:
    request = demand_request(desk, values["request_id"])
    if request.kind != "export":
        raise ApiRefusal(
            ApiError.REFUSED, f"this request is to {request.kind}; only an export has a file", "request_id"
        )
    pieces = desk.export(request)
    if pieces is None:
        raise ApiRefusal(ApiError.GONE, "the person was erased since; nothing is known of them any more", "request_id")
    return Download(f"export-{request.id}.zip", "application/zip", pieces)


def demand_request(desk: ServerDesk, request_id: str) -> Request:
    found = find_request(desk.state, desk.workspace, request_id)
    if found is None:
        raise ApiRefusal(ApiError.UNKNOWN_REQUEST, f"no privacy request has the id {request_id[:60]}", "request_id")
    return found


def show_retention(desk: ServerDesk, values: Values) -> Answer:
    return describe_retention(desk.state, desk.workspace, list_rules(desk.state, desk.workspace))


def put_retention(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ("rules",))
    try:
        rules = read_rules(body.get("rules"))
    except WrongRule as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), error.field) from None
    kept = put_rules(desk.state, desk.workspace, rules, values["by"], desk.clock())
    return describe_retention(desk.state, desk.workspace, kept)


def show_ip_mode(desk: ServerDesk, values: Values) -> Answer:
    mode = next(each.ip_mode for each in list_workspaces(desk.state) if each.id == desk.workspace)
    return {"ip_mode": mode, "modes": list(IP_MODES)}


def put_ip_mode(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ("ip_mode",))
    try:
        set_ip_mode(desk.state, desk.workspace, read_text(body, "ip_mode", required=True))
    except ValueError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), "ip_mode") from None
    return show_ip_mode(desk, values)


def show_pii(desk: ServerDesk, values: Values) -> Answer:
    return {
        "findings": list_findings(desk.state, desk.workspace),
        "rules": list_pii_rules(desk.state, desk.workspace),
    }


def put_pii_rule(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ("path", "action"))
    path, action = (read_text(body, name, required=True) for name in ("path", "action"))
    try:
        set_pii_rule(desk.state, desk.workspace, path, action, values["by"], desk.clock())
    except ValueError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), "path" if "path" in str(error) else "action") from None
    return {"rules": list_pii_rules(desk.state, desk.workspace)}


PRIVACY = f"{PREFIX}/privacy"

PRIVACY_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(f"{PRIVACY}/erase", "Erase a person, everywhere", (), ask("erase"), "POST", takes_body=True),
    ApiRoute(
        f"{PRIVACY}/anonymise",
        "Take a person out of their events, and erase everything else",
        (),
        ask("anonymise"),
        "POST",
        takes_body=True,
    ),
    ApiRoute(
        f"{PRIVACY}/export", "Ask for everything known about a person", (), ask("export"), "POST", takes_body=True
    ),
    ApiRoute(
        f"{PRIVACY}/requests",
        "Who asked for what about whom, newest first",
        (Parameter("limit", 50, "How many, 1 to 200"),),
        show_requests,
    ),
    ApiRoute(f"{PRIVACY}/requests/{{request_id}}", "How far a request is, and its certificate", (), show_request),
    ApiRoute(
        f"{PRIVACY}/requests/{{request_id}}/export.zip", "Everything known about the person, as a zip", (), fetch_export
    ),
    ApiRoute(f"{PREFIX}/retention", "How long events are kept, and what went lately", (), show_retention),
    ApiRoute(f"{PREFIX}/retention", "Say how long events are kept", (), put_retention, "PUT", takes_body=True),
    ApiRoute(f"{PREFIX}/ip-mode", "What is kept of addresses", (), show_ip_mode),
    ApiRoute(f"{PREFIX}/ip-mode", "Say what is kept of addresses", (), put_ip_mode, "PUT", takes_body=True),
    ApiRoute(f"{PREFIX}/pii", "Personal data found in properties, and what is hidden", (), show_pii),
    ApiRoute(f"{PREFIX}/pii/rules", "Mask or drop a property from now on", (), put_pii_rule, "POST", takes_body=True),
)
