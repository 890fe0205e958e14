"""privacy: erase and export people, see how far requests are, verify certificates, set retention."""

import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import click
import msgspec

from trackway.app.folder import Folder
from trackway.cli.local_server import LocalServer, reach_server
from trackway.cli.options import data_option, json_option
from trackway.privacy.certificate import WrongCertificate, show_public_key, verify_certificate

LOOK_EVERY_S = 0.5


@click.group()
def privacy() -> None:
    """Erase and export people; how long events are kept."""


def about_options(function: Any) -> Any:
    """IDENTIFIER, and of which kind it is."""
    function = click.option("--reason", default="", help="Why, for the record.")(function)
    function = click.option("--country", default="", help="Country of a national telephone number.")(function)
    function = click.option(
        "--kind", default="", help="Kind of the identifier; by default an email where it has an @, else a profile id."
    )(function)
    return click.argument("identifier")(function)


def _word_about(identifier: str, kind: str, country: str, reason: str) -> dict[str, str]:
    kind = kind or ("email" if "@" in identifier else "profile_id")
    about = {"profile_id": identifier} if kind == "profile_id" else {"kind": kind, "value": identifier}
    return about | {name: value for name, value in (("country", country), ("reason", reason)) if value}


def _post(server: LocalServer, path: str, body: dict[str, Any], method: str = "POST") -> Any:
    status, content = server.call(method, f"/api/v1/{path}", msgspec.json.encode(body))
    if status != 200:
        raise click.ClickException(content["error"]["message"])
    return content


@privacy.command("erase")
@about_options
@click.option("--anonymise", is_flag=True, help="Keep the events, with nobody in them.")
@click.option("--wait/--no-wait", default=True, help="Wait for the certificate, some two minutes.  [default: wait]")
@click.option("--yes", is_flag=True, help="Do not ask.")
@data_option
def erase(
    identifier: str,
    kind: str,
    country: str,
    reason: str,
    anonymise: bool,
    wait: bool,
    yes: bool,
    data: Path,
) -> None:
    """Erase a person, everywhere, and print the signed certificate. There is no way back."""
    if not yes:
        click.confirm(f"Erase the person known by {identifier}, for ever?", abort=True, err=True)
    with reach_server(data) as server:
        what = "privacy/anonymise" if anonymise else "privacy/erase"
        asked = _post(server, what, _word_about(identifier, kind, country, reason))
        if not wait:
            click.echo(asked["id"])
            return
        shown = ""
        while (found := server.api(f"privacy/requests/{asked['id']}"))["state"] in ("waiting", "running"):
            if found["step"] != shown:
                shown = found["step"]
                click.echo(f"{shown} …", err=True)
            time.sleep(LOOK_EVERY_S)
    if found["certificate"]:
        click.echo(msgspec.json.format(msgspec.json.encode(found["certificate"])).decode())
    if found["state"] == "failed":
        raise click.ClickException(f"the erasure {found['id']} did not end as it should; the server's log says why")


@privacy.command("export")
@about_options
@click.option("--to", "file", type=click.Path(path_type=Path, dir_okay=False), required=True, help="The zip to write.")
@data_option
def export(identifier: str, kind: str, country: str, reason: str, file: Path, data: Path) -> None:
    """Write everything known about a person into one zip."""
    with reach_server(data) as server:
        asked = _post(server, "privacy/export", _word_about(identifier, kind, country, reason))
        server.download(f"/api/v1/privacy/requests/{quote(asked['id'])}/export.zip", file)
    click.echo(f"{file}: {file.stat().st_size} bytes")


@privacy.command("list")
@data_option
@json_option
def list_all(data: Path, as_json: bool) -> None:
    """Requests, newest first."""
    with reach_server(data) as server:
        items = server.api("privacy/requests", limit=200)["items"]
    if as_json:
        click.echo(msgspec.json.encode(items).decode())
        return
    for item in items:
        about = item["about"]
        whom = about.get("value") or f"sha256 {about.get('sha256', '')[:12]}…"
        state = f"{item['state']} ({item['step']})" if item["step"] else item["state"]
        click.echo(f"{item['asked_at']}  {item['id']}  {item['kind']:9} {state:20} {about['kind']} {whom}")


@privacy.command("verify")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--key", default="", help="Public key that must have signed; by default this installation's.")
@data_option
def verify(file: Path, key: str, data: Path) -> None:
    """Check that a certificate is what this installation signed."""
    key = key or show_public_key(Folder(data).read_signing_key())
    try:
        certificate = verify_certificate(file.read_bytes(), key)
    except WrongCertificate as error:
        raise click.ClickException(str(error)) from None
    verdict = "nothing was left" if certificate["verified"] else "something was left"
    click.echo(f"genuine: request {certificate['request']}, finished {certificate['finished_at']}, {verdict}")


@privacy.command("key")
@data_option
def show_key(data: Path) -> None:
    """Print the public key that certificates can be verified with."""
    click.echo(show_public_key(Folder(data).read_signing_key()))


@privacy.command("retention")
@click.option(
    "--set",
    "changes",
    multiple=True,
    metavar="TYPE=DAYS",
    help="Keep events of a type so many days; * is every other type.",
)
@click.option("--clear", "cleared", multiple=True, metavar="TYPE", help="Keep events of a type for ever.")
@data_option
def retention(changes: tuple[str, ...], cleared: tuple[str, ...], data: Path) -> None:
    """Show or change how long events are kept."""
    with reach_server(data) as server:
        found = server.api("retention")
        if changes or cleared:
            days = {rule["event_type"]: rule["days"] for rule in found["rules"]}
            for change in changes:
                event_type, _, number = change.rpartition("=")
                if not event_type or not number.isdigit():
                    raise click.BadParameter(
                        f"{change!r} must read TYPE=DAYS, such as page_view=90", param_hint="--set"
                    )
                days[event_type] = int(number)
            for event_type in cleared:
                days.pop(event_type, None)
            rules = [{"event_type": event_type, "days": number} for event_type, number in days.items()]
            found = _post(server, "retention", {"rules": rules}, "PUT")
    for rule in found["rules"]:
        click.echo(f"{rule['event_type']:30} {rule['days']} days")
    if not found["rules"]:
        click.echo("events are kept for ever")
