"""`etl quarantine`: what it shows, what it writes, and how a record is moved from quarantine to the warehouse."""

import json

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.errors import ConfigError
from etl.operations import decisions
from etl.operations.rejected import Selection
from tests.support import tiny

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
    assert answer("show", "sales", "--date", "2024-03-01") == "date\tfile\tline\trule\tmessage\ttext\n"
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
    header, row = file.read_text("utf-8-sig").splitlines()
    assert header == "source,date,file,line,record,rule,message,text"
    assert row.startswith(f"sales,2024-03-04,{FILE},3,") and row.endswith('id is not a BIGINT,"four,pen"')
    with pytest.raises(ConfigError, match=r"e\.csv already exists, and etl does not overwrite it"):
        answer("export", "sales", file)
    with pytest.raises(
        ConfigError, match="sales has no records of date 2024-03-01 in quarantine that could be exp"
    ):
        answer("export", "sales", tmp_path / "f.csv", "--date", "2024-03-01")


@pytest.mark.parametrize(
    "command", [["nope"], ["list", "nope"], ["replay", "nope"], ["discard", "nope", "--reason", "x"]]
)
def test_an_unknown_source_is_named(shop, command):
    with pytest.raises(ConfigError, match=r"There is no source nope\. There are: sales"):
        answer(*command)


def test_an_edited_file_says_itself_which_records_are_meant(shop, tmp_path):
    result = CliRunner().invoke(cli, ["quarantine", "replay", "sales", "--rule", "record", "--from", "e.csv"])
    assert (result.exit_code, "Leave --date and --rule out" in result.output) == (2, True)


@pytest.fixture
def refused(tmp_path, monkeypatch):
    """A project whose optional source has a day that is refused: four sound records and two guilty ones."""
    contracts = tiny.CONTRACTS.replace(".csv", '.csv", optional=True, max_rejects="1').replace('="1"', "=1")
    text = "id,item\n1,a\n2,b\nx,c\n4,d\n5,e,f\n6,g\n"
    project = tiny.project(tmp_path, contracts, raw={**tiny.SALES, FILE: text})
    tiny.night(project)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def test_of_a_refused_day_the_guilty_records_come_first_and_the_reason_stands_once(refused):
    lines = answer("sales").splitlines()
    assert lines[0].startswith("2024-03-04 is refused (6 records): 2 of 6 records break the contract, more than")
    assert [line.split()[2] for line in lines[2:]] == ["4", "6", "2", "3", "5", "7"]
    assert sum("break the contract" in line for line in lines) == 1
    assert "id.dtype: id is not a BIGINT" in lines[2]


@pytest.mark.parametrize(
    ("rule", "found"), [("id.dtype", [4]), ("record", [6]), ("partition.refused", [4, 6, 2, 3, 5, 7])]
)
def test_a_rule_finds_the_fault_of_a_record_whose_day_is_refused(refused, rule, found):
    rows = json.loads(answer("sales", "--rule", rule, "--json"))
    assert [row["line"] for row in rows] == found
    assert {row["rule"] for row in rows} == {"partition.refused"}
