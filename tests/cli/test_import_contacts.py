"""A CRM mirrored out of files, through the command line and a real server."""

import csv
import gzip
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from trackway.testing.commands import run_command
from trackway.testing.server import TestServer, start_server

Import = Callable[..., Any]


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Any:
    with start_server(tmp_path_factory.mktemp("crm") / "data") as running:
        yield running


@pytest.fixture
def run(server: TestServer, tmp_path: Path) -> Import:
    """Writes a file and imports it; what the command printed as JSON, with its exit code."""

    def run_import(kind: str, content: str | bytes, *options: str, name: str = "crm.csv") -> Any:
        file = tmp_path / name
        file.write_bytes(content.encode() if isinstance(content, str) else content)
        done = run_command("import", kind, str(file), *options, "--data", str(server.data), "--json", patience_s=120)
        if not done.stdout:
            return done.stderr
        return {**json.loads(done.stdout), "exit": done.returncode}

    return run_import


def contact(server: TestServer, contact_id: str) -> dict[str, Any]:
    found = server.api(f"contacts/{quote(contact_id, safe='')}")
    found["traits"] = {trait["name"]: trait["value"] for trait in found["traits"]}
    found["identities"] = {(i["kind"], i["value"]) for i in found["identities"]}
    found["accounts"] = [a["account_id"] for a in found["accounts"]]
    return dict(found)


def counts(said: dict[str, Any]) -> tuple[int, int, int, int]:
    return said["read"], said["stored"], said["unchanged"], said["rows_refused"]


def test_columns_that_are_known_become_fields_and_the_others_traits(server: TestServer, run: Import) -> None:
    said = run(
        "contacts",
        "contact_id,email,phone,account_id,user_id,name,Plan,updated_at\n"
        "k1,Ann@Known.example,+49 30 901820,known,u-k1,Ann,pro,2026-01-31T10:00:00Z\n",
    )
    assert (counts(said), said["exit"]) == ((1, 1, 0, 0), 0)
    found = contact(server, "k1")
    assert found["traits"] == {"name": "Ann", "Plan": "pro"}
    assert {("email", "ann@known.example"), ("phone", "+4930901820"), ("user_id", "u-k1")} <= found["identities"]
    assert found["accounts"] == ["known"]
    [event] = server.api("contacts/k1/timeline")["items"]
    assert (event["occurred_at"], event["source"]) == ("2026-01-31T10:00:00.000Z", "crm")


def test_the_same_file_again_changes_nothing_and_a_changed_row_updates(server: TestServer, run: Import) -> None:
    rows = ["r1,pro", "r2,free", "r3,free"]
    assert counts(run("contacts", "\n".join(["id,plan", *rows]))) == (3, 3, 0, 0)
    assert counts(run("contacts", "\n".join(["id,plan", *rows]))) == (3, 0, 3, 0)
    # The content counts, not the file: another name, order and delimiter.
    turned = "\n".join(["id;plan", *(row.replace(",", ";") for row in reversed(rows))])
    assert counts(run("contacts", turned, name="other.csv")) == (3, 0, 3, 0)
    assert counts(run("contacts", "id,plan\nr1,pro\nr2,pro\nr3,free\n")) == (3, 1, 2, 0)
    assert [contact(server, f"r{n}")["traits"]["plan"] for n in (1, 2, 3)] == ["pro", "pro", "free"]


def test_rows_that_were_sent_before_can_be_sent_again(server: TestServer, run: Import) -> None:
    for plan, options in (("a", ()), ("b", ()), ("a", ("--again",))):
        assert run("contacts", f"id,plan\nback1,{plan}\n", *options)["stored"] == 1
    assert contact(server, "back1")["traits"]["plan"] == "a"


def test_with_a_time_of_change_the_latest_holds_whatever_file_comes_first(server: TestServer, run: Import) -> None:
    for plan, time in (("a", "2026-01-01"), ("c", "2026-01-03"), ("b", "2026-01-02"), ("a", "2026-01-01")):
        run("contacts", f"id,plan,updated_at\ntime1,{plan},{time}\n")
    assert contact(server, "time1")["traits"]["plan"] == "c"
    assert contact(server, "time1")["figures"]["events"] == 3


def test_of_two_rows_of_one_id_the_later_one_holds(server: TestServer, run: Import) -> None:
    file = "id,plan,city\ntwo1,a,Berlin\ntwo1,b,\ntwo1,a,\ntwo1,c,\ntwo1,b,\n"
    assert counts(run("contacts", file)) == (5, 5, 0, 0)
    assert contact(server, "two1")["traits"] == {"plan": "b", "city": "Berlin"}
    assert counts(run("contacts", file)) == (5, 0, 5, 0)
    dated = "id,plan,updated_at\ntwo2,a,2026-01-01\ntwo2,b,2026-01-01\n"
    run("contacts", dated)
    assert contact(server, "two2")["traits"] == {"plan": "b"}


def test_an_empty_cell_leaves_alone_what_is_known(server: TestServer, run: Import) -> None:
    run("contacts", "id,email,plan\nempty1,e@empty.example,pro\n")
    run("contacts", "id,email,plan,city\nempty1,, ,Köln\n")
    found = contact(server, "empty1")
    assert found["traits"] == {"plan": "pro", "city": "Köln"}
    assert ("email", "e@empty.example") in found["identities"]


def test_semicolons_quotes_line_breaks_and_a_byte_order_mark_are_read(server: TestServer, run: Import) -> None:
    said = run("contacts", '\ufeff"id";name;note\r\nodd1;"Doe; ""Jane""";"two\r\nlines"\r\n\r\nodd2;x;y\r\n')
    assert counts(said) == (2, 2, 0, 0)
    assert contact(server, "odd1")["traits"] == {"name": 'Doe; "Jane"', "note": "two\r\nlines"}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_read_off_the_header(server: TestServer, run: Import, delimiter: str) -> None:
    cells = (("contact_id", '"a,b;c"', "n"), (f"d{ord(delimiter)}", "x", "1"))
    assert run("contacts", "\n".join(delimiter.join(row) for row in cells))["stored"] == 1
    assert contact(server, f"d{ord(delimiter)}")["traits"] == {"a,b;c": "x", "n": "1"}


def test_cells_stay_texts_and_json_keeps_its_types(server: TestServer, run: Import) -> None:
    run("contacts", "id,zip,seats\ntext1,00701,5\n")
    assert contact(server, "text1")["traits"] == {"zip": "00701", "seats": "5"}
    lines = [
        {"contact_id": "json1", "seats": 5, "vip": True, "tags": ["a", "b"], "address": {"zip": "00701"}},
        {"id": 4711, "traits": {"plan": "pro"}, "identifiers": {"user_id": "u-json2"}, "email": "j@json.example"},
    ]
    said = run("contacts", "\n".join(map(json.dumps, lines)) + "\n\n", name="crm.ndjson")
    assert counts(said) == (2, 2, 0, 0)
    assert contact(server, "json1")["traits"] == {
        "seats": 5, "vip": True, "tags": ["a", "b"], "address": {"zip": "00701"},
    }  # fmt: skip
    found = contact(server, "4711")
    assert found["traits"] == {"plan": "pro"}
    assert {("user_id", "u-json2"), ("email", "j@json.example")} <= found["identities"]


def test_null_in_json_takes_a_trait_away(server: TestServer, run: Import) -> None:
    run("contacts", '{"id": "null1", "plan": "pro", "city": "Bonn"}\n')
    run("contacts", '{"id": "null1", "plan": null, "email": null}\n')
    assert contact(server, "null1")["traits"] == {"city": "Bonn"}


def test_a_packed_file_is_read_too(server: TestServer, run: Import) -> None:
    assert run("contacts", gzip.compress(b"id,plan\ngz1,pro\n"), name="crm.csv.gz")["stored"] == 1
    assert contact(server, "gz1")["traits"] == {"plan": "pro"}
    broken = gzip.compress(b"id,plan\n" + b"gz2,pro\n" * 1000)[:-20]
    assert "import it again when it is whole" in run("contacts", broken, name="broken.csv.gz")


def test_columns_can_be_called_anything(server: TestServer, run: Import) -> None:
    said = run(
        "contacts",
        "Kundennummer,id,Mail,Firma,Secret,Handy\nmap1,7,m@map.example,mapco,x,030 901821\n",
        *("--map", "Kundennummer=contact_id", "--map", "Mail=email", "--map", "Firma=account_id"),
        *("--map", "Secret=-", "--map", "Handy=phone", "--map", "id=traits.number", "--country", "de"),
    )
    assert counts(said) == (1, 1, 0, 0)
    found = contact(server, "map1")
    assert found["traits"] == {"number": "7"}
    assert {("email", "m@map.example"), ("phone", "+4930901821")} <= found["identities"]
    assert found["accounts"] == ["mapco"]


@pytest.mark.parametrize(
    ("options", "why"),
    [
        (["--map", "plan=emial"], "a field is one of contact_id, email, phone"),
        (["--map", "plan"], "must read COLUMN=FIELD"),
        (["--map", "paln=email"], "the file has id, plan"),
        (["--map", "plan=email", "--map", "id=email"], "two columns"),
        (["--map", "id=identifiers.shoe"], "a field is one of"),
        (["--map", "id=-"], "no column is the contact_id"),
        (["--encoding", "utf-99"], "there is no encoding"),
    ],
)
def test_a_mapping_that_makes_no_sense_is_refused_before_anything_is_sent(
    run: Import, options: list[str], why: str
) -> None:
    assert why in run("contacts", "id,plan\nnever,pro\n", *options)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("", "the file is empty"),
        ("\n\n", "the file is empty"),
        ("name,email\nAnn,a@b.example\n", "no column is the contact_id"),
        ("id,plan,plan\n1,a,b\n", "two columns 'plan'"),
        (",,\n1,2,3\n", "every column needs a name"),
        ("id,plan\n1,a\n".encode("utf-16"), "UTF-16"),
    ],
)
def test_a_file_of_doubtful_meaning_is_refused_as_a_whole(run: Import, content: str | bytes, why: str) -> None:
    assert why in run("contacts", content)


def test_each_bad_row_is_told_with_its_number_its_field_and_why_and_the_others_are_taken(
    server: TestServer, run: Import, tmp_path: Path
) -> None:
    rows = [
        "bad1,fine,",
        ",no id,",
        "null,a word,",
        f"{'x' * 10_000},long id,",
        "bad2,too,many,cells",
        "bad3",
        "bad4,when,yesterday",
        "bad5,when,2150-01-01",
        f"bad6,{'y' * 9000},",
        "bad7,fine,1767225600",
    ]
    errors = tmp_path / "errors.csv"
    said = run("contacts", "\n".join(["id,note,updated_at", *rows]), "--errors", str(errors))
    assert (counts(said), said["exit"]) == ((10, 2, 0, 8), 1)
    told = {p["row"]: (p["field"], p["why"]) for p in said["refused"]}
    assert {row: field for row, (field, _) in told.items()} == {
        3: "contact_id", 4: "contact_id", 5: "contact_id", 6: "", 7: "", 8: "occurred_at", 9: "occurred_at",
        10: "traits.note",
    }  # fmt: skip
    assert "10,000 characters" in told[5][1]
    assert "4 cells, the header 3" in told[6][1]
    assert "yesterday" in told[8][1]
    assert "24 hours in the future" in told[9][1]
    with errors.open(newline="") as file:
        assert {int(row["row"]): row["field"] for row in csv.DictReader(file)} == {r: told[r][0] for r in told}
    assert contact(server, "bad7")["traits"] == {"note": "fine"}


def test_an_address_that_cannot_be_read_is_kept_as_a_trait_and_remarked(server: TestServer, run: Import) -> None:
    said = run("contacts", "id,email,phone\nremark1,n/a,030 1234567\n")
    assert (counts(said), said["rows_remarked"], said["exit"]) == ((1, 1, 0, 0), 1, 0)
    assert [(p["row"], p["field"]) for p in said["remarks"]] == [(2, "email"), (2, "phone")]
    found = contact(server, "remark1")
    assert found["traits"] == {"email": "n/a", "phone": "030 1234567"}
    assert found["identities"] == {("contact_id", "remark1")}


def test_another_encoding_is_noticed_and_can_be_named(server: TestServer, run: Import) -> None:
    content = "id,name\nenc1,Müller\nenc2,plain\n".encode("cp1252")
    said = run("contacts", content)
    assert counts(said) == (2, 1, 0, 1)
    assert "--encoding cp1252" in said["refused"][0]["why"]
    assert counts(run("contacts", content, "--encoding", "cp1252")) == (2, 1, 1, 0)
    assert contact(server, "enc1")["traits"] == {"name": "Müller"}


def test_a_quote_that_is_never_closed_is_told(run: Import) -> None:
    said = run("contacts", 'id,note\nq1,fine\nq2,"open\n' + "q3,lost\n" * 50_000)
    assert said["rows_refused"] == 1
    assert "never closed" in said["refused"][0]["why"]


def test_a_line_that_is_no_json_is_told_and_the_others_are_taken(run: Import) -> None:
    said = run("contacts", '{"id": "line1"}\n{"id": \n[1]\n{"id": "line2", "traits": 5}\n{"id": "line3"}\n')
    assert (counts(said)) == (5, 2, 0, 3)
    assert [p["row"] for p in said["refused"]] == [2, 3, 4]


def test_a_dry_run_checks_everything_and_sends_nothing(server: TestServer, run: Import) -> None:
    said = run("contacts", "id,updated_at\ndry1,\ndry2,never\n", "--dry-run")
    assert (said["dry_run"], said["read"], said["rows_refused"], said["exit"]) == (True, 2, 1, 1)
    assert run("contacts", "id\ndry1\n")["stored"] == 1


def test_accounts_are_mirrored_with_name_and_domain(server: TestServer, run: Import) -> None:
    rows = "id,name,domain,Industry\nacc/1,Acme Inc,acc.example,Tools\nacc2,Beta,,\n"
    assert counts(run("accounts", rows, "--source", "crm accounts")) == (2, 2, 0, 0)
    assert counts(run("accounts", rows, "--source", "crm accounts")) == (2, 0, 2, 0)
    found = server.api("accounts/acc%2F1")
    traits = {t["name"]: (t["value"], t["source"]) for t in found["traits"]}
    assert traits["Industry"] == ("Tools", "crm-accounts")
    assert (found["name"], found["domain"]) == ("Acme Inc", "acc.example")
    assert server.api("accounts/acc2")["name"] == "Beta"


def test_people_are_told_in_words_and_a_refused_row_ends_with_1(server: TestServer, tmp_path: Path) -> None:
    file = tmp_path / "crm.csv"
    file.write_text("id,email\nword1,w@word.example\nword2,none\n,\n")
    said = server.run_cli("import", "contacts", str(file))
    assert "read 2 rows: changed 2, unchanged 0" in said
    assert "taken with a remark: 1" in said
    assert "row 3: email must be a mail address, like ann@example.com, not 'none'" in said
    file.write_text("id,email\nnull,\n")
    with pytest.raises(AssertionError, match=r"row 2: contact_id is 'null', a word for nobody"):
        server.run_cli("import", "contacts", str(file))


def test_what_a_contact_did_before_the_import_belongs_to_it(server: TestServer, run: Import) -> None:
    key = server.add_source("Shop before", "native", "server")["credentials"]["write_key"]
    server.post("/v1/events", {"event_type": "page_view", "anonymous_id": "b-dev", "email": "b@before.example"}, key)
    run("contacts", "id,email,account_id\nbefore1,B@before.example,beforeco\n")
    types = [event["event_type"] for event in server.api("accounts/beforeco/timeline")["items"]]
    assert sorted(types) == ["contact_updated", "page_view"]


def test_the_import_works_where_no_server_runs(tmp_path: Path) -> None:
    file = tmp_path / "crm.csv"
    file.write_text("id,plan\nalone,pro\n")
    stopped = TestServer(tmp_path / "alone", "", None, tmp_path / "none")  # type: ignore[arg-type]
    assert "changed 1, unchanged 0" in stopped.run_cli("import", "contacts", str(file))
    assert "changed 0, unchanged 1" in stopped.run_cli("import", "contacts", str(file))


def test_the_books_balance_over_all_that(server: TestServer) -> None:
    assert server.wait_until_settled()["balanced"]
