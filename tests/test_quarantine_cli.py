"""`etl quarantine`: what it shows, what it writes, and how a record is moved from quarantine to the warehouse."""

import json

import pytest
from click.testing import CliRunner

from etl import decisions
from etl.cli import cli
from etl.errors import ConfigError
from etl.quarantine import Selection
from tests import tiny

FILE = "sales/2024-03-04.csv"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A project with two records to reject; published."""
    project = tiny.once(tmp_path / "shop", rejecting)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def rejecting(root):
    tiny.night(tiny.project(root, raw={**tiny.SALES, FILE: "id,item\n8,book\nfour,pen\n5,cap,extra\n"}))


def answer(*arguments):
    """Return what `etl quarantine` prints; its error is raised."""
    result = CliRunner().invoke(cli, ["quarantine", *map(str, arguments)])
    if result.exception:
        raise result.exception
    return result.output


@pytest.mark.parametrize("arguments", [[], ["list"], ["list", "sales"]])
def test_alone_it_counts_by_source_date_file_and_rule(shop, arguments):
    lines = [line.split() for line in answer(*arguments).splitlines()]
    assert lines == [
        ["source", "date", "file", "rule", "records", "discarded"],
        ["sales", "2024-03-04", FILE, "id.dtype", "1", "0"],
        ["sales", "2024-03-04", FILE, "record", "1", "0"],
    ]


@pytest.mark.parametrize("arguments", [["sales"], ["show", "sales"]])
def test_of_a_source_it_shows_line_rule_reason_and_text(shop, arguments):
    first, second = json.loads(answer(*arguments, "--json"))
    assert (first["line"], first["rule"], first["text"]) == (3, "id.dtype", "four,pen")
    assert (second["line"], second["message"]) == (4, "3 cells where the contract has 2")
    assert "id.dtype: id is not a BIGINT" in answer(*arguments)


def test_show_takes_a_date_a_rule_and_a_limit(shop):
    assert [row["line"] for row in json.loads(answer("show", "sales", "--rule", "record", "--json"))] == [4]
    assert answer("show", "sales", "--date", "2024-03-01") == "nothing to show\n"
    assert answer("show", "sales", "--limit", "1").endswith("... and 1 more; --json prints all\n")


def test_list_names_discarded_records_and_corrections_without_effect(shop):
    decisions.discard(shop, "sales", Selection(lines=[4]), "a test")
    decided = json.loads(answer("--json"))
    assert [row["why"] for row in decided["stale"]] == ["it waits for the next run"]
    assert f"without effect: sales 2024-03-04: discard {FILE}, line 4: it waits" in answer()

    tiny.night(shop)

    decided = json.loads(answer("list", "--json"))
    assert decided["stale"] == []
    assert [(row["rule"], row["records"], row["discarded"]) for row in decided["counts"]] == [
        ("id.dtype", 1, 0),
        ("record", 0, 1),
    ]
    assert answer("show", "sales").splitlines()[0].endswith("discarded")


def test_export_writes_what_can_be_edited_and_never_overwrites(shop, tmp_path):
    file = tmp_path / "e.csv"
    assert f"etl quarantine replay sales --from {file}" in answer("export", "sales", file, "--rule", "id.dtype")
    header, row = file.read_text().splitlines()
    assert header == "source,date,file,line,record,rule,message,text"
    assert row.startswith(f"sales,2024-03-04,{FILE},3,") and row.endswith('id is not a BIGINT,"four,pen"')
    with pytest.raises(ConfigError, match=r"e\.csv is there already; nothing overwrites it"):
        answer("export", "sales", file)
    with pytest.raises(
        ConfigError, match="sales has no records of date 2024-03-01 in quarantine that could be exp"
    ):
        answer("export", "sales", tmp_path / "f.csv", "--date", "2024-03-01")


@pytest.mark.parametrize(
    "command", [["nope"], ["list", "nope"], ["replay", "nope"], ["discard", "nope", "--reason", "x"]]
)
def test_an_unknown_source_is_named(shop, command):
    with pytest.raises(ConfigError, match="there is no source nope; there are: sales"):
        answer(*command)


def test_an_edited_file_says_itself_which_records_are_meant(shop, tmp_path):
    result = CliRunner().invoke(cli, ["quarantine", "replay", "sales", "--rule", "record", "--from", "e.csv"])
    assert (result.exit_code, "leave --date and --rule out" in result.output) == (2, True)
