"""What holds for every way in which deliveries come: each connector is taken through the same laws."""

import json
from dataclasses import FrozenInstanceError, fields, is_dataclass
from datetime import date
from inspect import Parameter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import etl
from etl.errors import ContractError
from etl.ledger import Ledger
from etl.plan.forecast import forecast
from etl.reports.status import project_status
from etl.sources import Source
from etl.sources.connectors import (
    CONNECTORS,
    WRITTEN,
    Connector,
    File,
    connector_class,
    connector_from,
    connector_to,
)
from etl.sources.connectors.connector import Known
from etl.sources.connectors.files import SAME
from etl.sources.connectors.landed import Landed
from etl.sources.connectors.unclaimed import unclaimed
from etl.sources.words import CHOICES
from etl.stages import lake
from tests.support import options, tiny
from tests.support.pages import page, section

DAY = date(2024, 3, 1)
#: As a contract file writes it: one with dates and one without, each with an option that is not the default.
EXAMPLES = {
    "Files": ('Files("sales/{date}.csv", marker="{file}.done")', 'Files("sites.csv", settle_seconds=0.001)'),
    "Landed": ('Landed("sales", "cursor")', 'Landed("sites", "full")'),
}


def made(text: str) -> Any:
    return eval(text, {name: getattr(etl, name) for name in etl.__all__} | {"Landed": Landed})


CONNECTED = [made(text) for texts in EXAMPLES.values() for text in texts]


def test_every_connector_is_tried() -> None:
    assert set(EXAMPLES) == set(CONNECTORS), "Add an example of the new connector above."


@pytest.mark.parametrize("name", CONNECTORS)
def test_its_options_are_fields_by_name_with_a_comment_each(name: str) -> None:
    kind = connector_class(name)
    assert is_dataclass(kind)
    said = options.comments(kind)
    given = options.options(kind)
    assert list(given) == [field.name for field in fields(kind)]
    assert set(given) - set(said) == set(), "Write a comment above each option."
    assert all(text.endswith(".") for text in said.values())
    by_place = [one for one in given.values() if one.kind is not Parameter.KEYWORD_ONLY]
    assert [one.name for one in by_place if one.default is not Parameter.empty] == []
    assert len(by_place) <= 2


@pytest.mark.parametrize("name", WRITTEN)
def test_it_is_written_in_a_contract_and_explained(name: str) -> None:
    assert getattr(etl, name) is connector_class(name)
    assert name in etl.__all__
    own = section(page("sources.md"), name)
    for option in options.options(connector_class(name)):
        assert options.row(connector_class(name), option) in own


@pytest.mark.parametrize("connector", CONNECTED, ids=repr)
def test_it_keeps_the_protocol_and_survives_json(connector: Connector) -> None:
    for name in (name for name in vars(Connector) if not name.startswith("_")):
        assert hasattr(connector, name), f"{type(connector).__name__} has no {name}"
    assert connector_from(json.loads(json.dumps(connector_to(connector)))) == connector
    assert connector_from(connector) is connector
    with pytest.raises(FrozenInstanceError):
        setattr(connector, fields(connector)[0].name, "x")  # type: ignore[arg-type]
    assert json.loads(json.dumps(dict(connector.definition))) == dict(connector.definition)
    assert connector.place in connector.named
    assert connector.at_once().definition == connector.definition


@pytest.mark.parametrize("connector", CONNECTED, ids=repr)
def test_a_source_has_what_it_says_in_its_fingerprint_and_in_its_cache(connector: Connector) -> None:
    source = Source(tiny.CONTRACT, connector, name="sales")
    again = Source.from_dict(json.loads(json.dumps(source.to_dict())))
    assert again.connector == connector
    assert (again.is_dated, again.partition) == (source.is_dated, source.partition)


@pytest.mark.parametrize("texts", EXAMPLES.values(), ids=EXAMPLES)
def test_nothing_is_found_in_no_folder_and_where_it_would_be_is_told(
    texts: tuple[str, str], tmp_path: Path
) -> None:
    dated, snapshot = map(made, texts)
    assert (dated.is_dated, snapshot.is_dated) == (True, False)
    for connector in (dated, snapshot):
        assert list(connector.look(tmp_path / "none", "sales", DAY, 0, Known())) == []
        assert connector.where(DAY)
    assert dated.where(DAY) != dated.where(date(2024, 3, 2))


@pytest.mark.parametrize("texts", EXAMPLES.values(), ids=EXAMPLES)
def test_what_lies_where_it_is_looked_for_is_found(texts: tuple[str, str], tmp_path: Path) -> None:
    for connector in map(made, texts):
        path = tmp_path / connector.where(DAY)
        path.parent.mkdir(exist_ok=True, parents=True)
        path.write_text("id\n1\n")
        assert [seen.problem for seen in connector.at_once().look(tmp_path, "sales", DAY, 0, Known())] == [""]
        path.with_name(f"{path.name}.done").touch()
        assert connector.claims(path.relative_to(tmp_path).as_posix())
        ((day, file, problem),) = list(connector.look(tmp_path, "sales", DAY, 2**62, Known()))
        assert (day, problem) == (DAY, "")
        assert isinstance(file, File)
        assert (file.path, file.size) == (path, 5)


@pytest.mark.parametrize(
    ("files", "marker", "claimed"),
    [
        ("sales/{date}.csv", "", ["sales/2024-03-01.csv"]),
        ("sales/{date}.csv", "{file}.done", ["sales/2024-03-01.csv", "sales/2024-03-01.csv.done"]),
        ("sales/{date}/*.csv", "sales/{date}/_SUCCESS", ["sales/2024-03-01/a.csv", "sales/2024-03-01/_SUCCESS"]),
    ],
)
def test_what_no_source_takes_is_told(files: str, marker: str, claimed: list[str], tmp_path: Path) -> None:
    others = ["march.csv", "sales/2024-3-1.csv", "sales/notes/2024-03-01.csv.done", "sales/2024-03-01.xml"]
    for name in [*claimed, *others, ".hidden", "sales/2024-03-01.csv.part"]:
        (tmp_path / name).parent.mkdir(exist_ok=True, parents=True)
        (tmp_path / name).touch()
    assert unclaimed(tmp_path, [etl.Files(files, marker=marker)]) == sorted(others)
    assert unclaimed(tmp_path / "none", []) == []


@pytest.mark.parametrize("texts", [EXAMPLES[name] for name in WRITTEN], ids=WRITTEN)
def test_plan_and_status_list_its_sources_and_where_they_come_from(
    texts: tuple[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    names = ["dated", "snapshot"]
    declared = "\n".join(f"{name} = Source(Sales, {text})" for name, text in zip(names, texts, strict=True))
    start = tiny.CONTRACTS.split("sales =")[0].replace("import Source", "import *")
    project = tiny.project(tmp_path, start + declared, sql={}, raw={})
    monkeypatch.setenv("ETL_PROJECT", str(tmp_path))

    told = {table.name: table.why for table in forecast(tiny.plan(project), Ledger(project.ledger)).tables}
    status = {source["source"]: source for source in project_status()["sources"]}

    for name, text in zip(names, texts, strict=True):
        assert made(text).place in told[f"raw.{name}"]
        assert status[name]["place"] == made(text).place
        assert status[name]["connector"] == type(made(text)).__name__


@given(
    path=st.sampled_from(["sales/{date}.csv", "sales/{date:%Y%m%d}/*.csv"]),
    options=st.fixed_dictionaries(
        {},
        optional={
            "marker": st.sampled_from(["", "{file}.done", "ok/{date}"]),
            "settle_seconds": st.floats(0, 1e6),
            "same_content": st.sampled_from(SAME),
        },
    ),
)
def test_a_path_is_short_for_files(path: str, options: dict[str, Any]) -> None:
    short = Source(tiny.CONTRACT, files=path, name="sales", **options)
    long = Source(tiny.CONTRACT, etl.Files(path, **options), name="sales")
    assert short.to_dict() == long.to_dict()
    # when a file counts is no part of what becomes of it
    waits_for_nothing = Source(tiny.CONTRACT, long.connector.at_once(), name="sales")
    assert lake.definition(waits_for_nothing, "UTC") == lake.definition(short, "UTC")
    assert Source(tiny.CONTRACT, path, name="sales").connector == etl.Files(path)


@pytest.mark.parametrize(
    ("arguments", "more", "message"),
    [
        ((), {}, "does not say how deliveries come"),
        ((etl.Files("a.csv"),), {"files": "b.csv"}, "says twice how deliveries come"),
        ((etl.Files("a.csv"),), {"marker": "{file}.done"}, r"Source\(marker\): with Files\(...\) write it there"),
        ((7,), {}, r"Source\(..., 7\) does not say how deliveries come. Write a path"),
    ],
)
def test_how_deliveries_come_is_said_once(arguments: tuple[Any, ...], more: dict[str, Any], message: str) -> None:
    with pytest.raises(ContractError, match=message):
        Source(tiny.CONTRACT, *arguments, **more)


def test_every_option_of_a_source_has_a_comment_and_a_row_of_it() -> None:
    said, own = options.comments(Source), section(page("sources.md"), "Options of a source")
    assert set(options.options(Source)) - set(said) == set()
    for option in options.options(Source):
        assert options.row(Source, option) in own
    for name, words in CHOICES.items():
        assert [word for word in words if f"`{word}`" not in said[name]] == []
