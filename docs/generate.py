"""Writes the reference pages that are made from the code: `python docs/generate.py`.

A test fails when a page in docs/reference differs from what this would write.
"""

import inspect
import typing
from dataclasses import fields
from pathlib import Path

import click
from prometheus_client import Counter, Gauge

from trackway.cli import main
from trackway.event import Event
from trackway.metrics import METRICS
from trackway.outcome import REASONS, Outcome
from trackway.settings import Settings

REFERENCE = Path(__file__).parent / "reference"
MADE = "<!-- Made by docs/generate.py from the code; do not edit. -->\n"

WORDS = """
| word | meaning | what the dialects say |
|---|---|---|
| source | a registered sender of one channel: `web`, `server`, `mobile` or `api` | source (Pact, Tracardi), customer_site_id (Tracify), widget (Clarm), tracker tid (Orbee) |
| workspace | a customer; owns sources, people and rules | account aid (Orbee) |
| submission | one request as it arrived, byte for byte but for secret keys, with the headers that matter | |
| event | one thing that happened, in the words below | |
| row | an event in the event store, with its place in the log | |
| event log | where submissions are made durable before the answer is sent | |
| stream, segment, record | one collector's part of the log; a file of it; one submission in that file | |
| dead letter | something that was received and could not be stored, kept with the reason | |
| outcome | stored, duplicate, dropped or dead-lettered: each received event has exactly one | |
| books | received = stored + duplicate + dropped + dead-lettered + in flight, per source and minute | |
| transport key | a sender's retry key (`dedupe_key`): counts within a window | dedupe_key (Pact), events[].id (Tracardi) |
| business key | `order_id` or `conversion_id`: counts for ever | order_id, conversion_id (Tracify), orderId (Clarm) |
| session | one visit of one person, rebuilt from events whenever somebody asks ([sessions](sessions.md)) | |
| identifier | what names a person, a device or an interaction: a kind and a value ([Identity](identity.md)) | distinct_id, contact_id (Pact), profile.id (Tracardi), identity_data (Tracify), visitor_id (Clarm), instance_id (Orbee) |
| link, ledger | two identifiers that one event named, with that event as evidence; all of them, never deleted | |
| trait | what is known of a person or an account, with when and from which event | traits (Tracardi), identify properties (Clarm) |
| contact, account | a person and a company as a CRM knows them | contact_id, account_id (Pact) |
| policy | rules that say by place what may be stored of whom without their consent ([Consent](consent.md)) | compliance rules (Pact) |
| profile | the stitched person | profile (Tracardi), contact (Pact), visitor (Clarm), shopper (Orbee) |
"""


def write_glossary() -> str:
    lines = [
        MADE,
        "# Glossary\n",
        "## Words",
        WORDS,
        "## Fields of an event\n",
        "Times are shown by the API as ISO 8601 text; texts are empty when unknown.\n",
    ]
    lines += ["| field | type | meaning | filled by |", "|---|---|---|---|"]
    hints = typing.get_type_hints(Event, include_extras=True)
    for name in Event.__struct_fields__:
        kind, meta = typing.get_args(hints[name])[:2]
        lines.append(f"| `{name}` | {_name_kind(kind)} | {meta.description} | {meta.extra['filled_by']} |")
    return "\n".join(lines) + "\n"


def _name_kind(kind: object) -> str:
    if typing.get_origin(kind) is typing.Literal:
        return " \\| ".join(map(str, typing.get_args(kind)))
    return {str: "text", int: "whole number", bool: "true or false"}.get(kind, "object")  # type: ignore[call-overload]


def write_settings() -> str:
    lines = [
        MADE,
        "# Settings\n",
        "Each is read from the environment, else from `settings.toml` in the data folder, else it has its default.\n",
    ]
    lines += ["| setting | environment | default | what it does |", "|---|---|---|---|"]
    for f in fields(Settings):
        shown = f"{f.default:,}".replace(",", " ") if isinstance(f.default, int) else f.default or "(empty)"
        lines.append(f"| `{f.name}` | `TRACKWAY_{f.name.upper()}` | {shown} | {f.metadata['help']} |")
    return "\n".join(lines) + "\n"


def write_outcomes() -> str:
    lines = [
        MADE,
        "# Outcomes and reasons\n",
        "A received event is stored, duplicate, dropped or dead-lettered. A rejected one was never received: the sender was told.\n",
    ]
    for outcome in Outcome:
        reasons = [(reason, said) for reason, said in REASONS.items() if said.outcome is outcome]
        lines += [f"## {outcome.value}\n"]
        if reasons:
            lines += ["| reason | HTTP status | meaning |", "|---|---|---|"]
            lines += [f"| `{reason.value}` | {said.status or ''} | {said.meaning} |" for reason, said in reasons]
        else:
            lines += ["It is a row of the event store."]
        lines += [""]
    return "\n".join(lines)


def write_metrics() -> str:
    lines = [
        MADE,
        "# Metrics\n",
        "At `/metrics`, in Prometheus' text format; it asks for the same token as the API, since metrics name the sources.\n",
        "| metric | kind | labels | meaning |",
        "|---|---|---|---|",
    ]
    for name, metric in vars(METRICS).items():
        if isinstance(metric, Counter | Gauge):
            kind = type(metric).__name__.lower()
            ending = "_total" if kind == "counter" else ""
            labels = ", ".join(metric._labelnames)
            lines.append(f"| `trackway_{name}{ending}` | {kind} | {labels} | {metric._documentation} |")
    return "\n".join(lines) + "\n"


def write_cli() -> str:
    lines = [MADE, "# Command line\n"]
    for name, command in sorted(_walk(main, "trackway")):
        lines += [f"## {name}\n", inspect.cleandoc(command.help or ""), "", "```", _usage(name, command), "```\n"]
    return "\n".join(lines)


def _walk(group: click.Group, prefix: str) -> typing.Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        # A group that loads its commands when they are called has none in `commands`.
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from _walk(command, f"{prefix} {name}")
        elif command and not command.hidden:
            yield f"{prefix} {name}", command


def _usage(name: str, command: click.Command) -> str:
    return command.get_help(click.Context(command, info_name=name, max_content_width=100))


PAGES = {
    "glossary.md": write_glossary,
    "settings.md": write_settings,
    "outcomes.md": write_outcomes,
    "metrics.md": write_metrics,
    "cli.md": write_cli,
}

if __name__ == "__main__":
    for page, write in PAGES.items():
        (REFERENCE / page).write_text(write())
