"""Routes about consent: what people said, and the policy that decides by it.

What is recorded here becomes an event on the log like everything else that is said of people;
only the policy is written to the relational state, because it is configuration.
"""

from typing import Any

from trackway.api.bodies import read_object, read_text, refuse_unknown
from trackway.api.desk import NotRecorded, ServerDesk
from trackway.api.parameters import Parameter
from trackway.api.replies import ApiError, ApiRefusal
from trackway.api.route import PREFIX, Answer, ApiRoute, Values
from trackway.profiles.consent_check import NoIdentifier, describe_consent, read_identifier
from trackway.profiles.consent_words import CONSENT_UPDATED, read_statements
from trackway.profiles.identifiers import FIELD_KINDS, Identifier
from trackway.profiles.policies import GROUPS, STATES, PolicyError, Rule, read_rules
from trackway.profiles.policy_versions import change_policy, list_policy_versions
from trackway.query.consent import describe_version, try_rules
from trackway.query.questions import QuestionError


def record_consent(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ("kind", "value", "consent", "text_version", "jurisdiction", "occurred_at"))
    identifier = _read_identifier(read_text(body, "kind", required=True), read_text(body, "value", required=True))
    said = read_object(body, "consent")
    statements, unread = read_statements(said)
    if unread or not statements:
        raise ApiRefusal(
            ApiError.WRONG_BODY,
            f"consent must say a state ({', '.join(STATES)}, true or false) of each channel or purpose"
            + (f"; it does not for {unread[0]!r}" if unread else ""),
            f"consent.{unread[0]}" if unread else "consent",
        )
    proof = {name: read_text(body, name, longest=100) for name in ("text_version", "jurisdiction")}
    event: dict[str, Any] = {
        "event_type": CONSENT_UPDATED,
        "consent": said,
        "properties": {"recorded_by": values["by"], **{name: text for name, text in proof.items() if text}},
        **name_person(identifier),
    }
    if occurred_at := read_text(body, "occurred_at", longest=40):
        event["occurred_at"] = occurred_at
    return _record(desk, event)


def name_person(identifier: Identifier) -> dict[str, Any]:
    """The fields of a native event that name somebody."""
    if identifier.kind in FIELD_KINDS:
        return {identifier.kind: identifier.value}
    return {"identifiers": {identifier.kind: identifier.value}}


def _record(desk: ServerDesk, event: dict[str, Any]) -> Answer:
    try:
        result = dict(desk.record([event])[0])
    except NotRecorded as error:
        raise ApiRefusal(ApiError.NOT_DURABLE, str(error)) from None
    if result["status"] == "rejected":
        raise ApiRefusal(ApiError.WRONG_BODY, result["message"], result["field"])
    return {"event_id": result["event_id"], "status": result["status"]}


def show_consent(desk: ServerDesk, values: Values) -> Answer:
    identifier = _read_identifier(values["kind"], values["value"], values["country"].upper())
    said = {"kind": identifier.kind, "value": identifier.value}
    return {"identifier": said, **describe_consent(desk.state, desk.workspace, identifier, desk.clock())}


def _read_identifier(kind: str, value: str, country: str = "") -> Identifier:
    try:
        return read_identifier(kind, value, country)
    except NoIdentifier as error:
        raise ApiRefusal(ApiError.OUT_OF_RANGE, str(error), "value") from None


def show_policy(desk: ServerDesk, values: Values) -> Answer:
    versions = list_policy_versions(desk.state, desk.workspace)
    return {
        "policy": describe_version(versions[0]),
        "earlier": [describe_version(version) for version in versions[1:]],
        "groups": {name: sorted(places) for name, places in GROUPS.items()},
    }


def put_policy(desk: ServerDesk, values: Values) -> Answer:
    body = values["body"]
    refuse_unknown(body, ("rules",))
    try:
        made = change_policy(desk.state, desk.workspace, body.get("rules"), values["by"], desk.clock())
    except PolicyError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), error.field) from None
    return {"policy": describe_version(made)}


QUESTION = ("country", "region", "source", "state", "purpose", "gpc", "dnt", "rules")


def try_policy(desk: ServerDesk, values: Values) -> Answer:
    """What would become of an event; `rules` tries a policy that is not in force."""
    body = values["body"]
    refuse_unknown(body, QUESTION)
    asked = {name: read_text(body, name, longest=100) for name in ("country", "region", "source", "state", "purpose")}
    gpc, dnt = (_read_flag(body, name) for name in ("gpc", "dnt"))
    rules = _read_draft(body["rules"]) if "rules" in body else list_policy_versions(desk.state, desk.workspace)[0].rules
    try:
        return try_rules(rules, **asked, gpc=gpc, dnt=dnt)
    except QuestionError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), error.field) from None


def _read_flag(body: dict[str, Any], name: str) -> bool:
    value = body.get(name, False)
    if not isinstance(value, bool):
        raise ApiRefusal(ApiError.WRONG_BODY, f"{name} must be true or false", name)
    return value


def _read_draft(said: Any) -> tuple[Rule, ...]:
    try:
        return read_rules(said)
    except PolicyError as error:
        raise ApiRefusal(ApiError.WRONG_BODY, str(error), error.field) from None


CONSENT_ROUTES: tuple[ApiRoute, ...] = (
    ApiRoute(
        f"{PREFIX}/consents",
        "How a person stands by what they said of consent, and all they said",
        (
            Parameter("kind", "", "Kind of the identifier: anonymous_id, email, …"),
            Parameter("value", "", "The identifier"),
            Parameter("country", "", "Country of a national telephone number"),
        ),
        show_consent,
    ),
    ApiRoute(
        f"{PREFIX}/consents", "Record what somebody said of consent", (), record_consent, method="POST", takes_body=True
    ),
    ApiRoute(f"{PREFIX}/policies", "The consent policy in force, and those before it", (), show_policy),
    ApiRoute(f"{PREFIX}/policies", "Put a consent policy in force", (), put_policy, method="PUT", takes_body=True),
    ApiRoute(
        f"{PREFIX}/policies/test",
        "What a policy would make of an event, and why",
        (),
        try_policy,
        method="POST",
        takes_body=True,
    ),
)
