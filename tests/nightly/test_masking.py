"""Whole nights over personal data: neither it nor the key is in anything that is written or said."""

import hashlib
import hmac
import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pytest

from etl.engine.quoting import literal
from etl.errors import ConfigError, StepError
from etl.project import Project
from tests.support import tiny, warm
from tests.support.everything import written
from tests.support.projects import environment

CONTRACTS = r"""
from datetime import date
import pandas as pd
import pandera.pandas as pa
from etl import Source

class People(pa.DataFrameModel):
    id: int
    ssn: str = pa.Field(
        unique=True,
        str_matches=r"\d{3}-\d\d-\d{4}$",
        metadata={"pii": "hash", "clean": {"trim": True}, "sql_warn": {"low": "ssn > '2'"}},
    )
    born: date = pa.Field(metadata={"pii": "partial"})
    phone: str = pa.Field(nullable=True, metadata={"pii": "partial"})
    salary: pd.Int64Dtype = pa.Field(nullable=True, ge=0, metadata={"pii": "drop"})
    town: str = pa.Field(metadata={"clean": {"case": "upper"}})

class Visits(pa.DataFrameModel):
    ssn: str = pa.Field(metadata={"pii": "hash"})
    visit: int

class Casts(pa.DataFrameModel):
    ssn: str = pa.Field(metadata={"pii": True, "sql": {"number": "cast(ssn as bigint) > 0"}})

people = Source(contract=People, files="people/{date}.csv", optional=True)
visits = Source(contract=Visits, files="visits/{date}.csv")
casts = Source(contract=Casts, files="casts/{date}.csv")
"""
SQL = {
    "marts/visits.sql": "select town, count(*) as visits from raw.people join raw.visits using (ssn) group by town"
}
HEADER = "id,ssn,born,phone,salary,town\n"
FILES = {
    "people/2024-03-01.csv": HEADER
    + "1, 111-22-3333 ,1980-05-13,555-0142-7731,987654321,Rome\n2,222-33-4444,1981-06-14,555-0142,,Oslo\n",
    "people/2024-03-02.csv": HEADER
    + "3,333-44-5555,1982-07-15,555-0142-7733,987654323,Rome\n"
    + "4,canary-ssn-4,1983-08-16,555-0142-7734,987654324,Rome\n"
    + "5,501-44-5555,16.08.1984,555-0142-7735,987654325,Rome\n"
    + "6,666-44-5555,1985-09-17,555-0142-7736,-987654326,Rome\n"
    + "7,777-44-5555,1986-10-18,555-0142-7737,987654327,Rome\n"
    + "8,777-44-5555,1987-11-19,555-0142-7738,987654328,Rome\n"
    + "9,999-44-5555,1988-12-20,555-0142-7739,987654329\n"
    + '10,"101-44-5555,1989-01-21,555-0142-7740,987654330,Rome\n',
    "people/2024-03-03.csv": HEADER.replace("ssn", "SSN")
    + "11,112-44-5555,1990-02-22,555-0142-7741,987654331,Rome\n",
    "people/2024-03-04.csv": "12,123-44-5555,1991-03-23,555-0142-7742,987654332,Rome\n" * 2,
    "people/2024-03-05.csv": HEADER
    + "".join(f"{n},{n}-44-5555,1992-04-24,555-0142-7743,987654333,Rome\n" for n in range(100, 1100)),
    "visits/2024-03-01.csv": "ssn,visit\n111-22-3333,1\n111-22-3333,2\n",
}
FAILING = {"casts/2024-03-06.csv": "ssn\n123-45-6789\ncanary-ssn-cast\n"}
QUARANTINED = {"2024-03-02": 7, "2024-03-03": 1, "2024-03-04": 1, "2024-03-05": 1000}
CANARIES = [
    *("111-22-3333", "222-33-4444", "-44-5555", "canary-ssn", "123-45-6789", "555-0142", "9876543"),
    *("1980-05-13", "1981-06-14", "1982-07-15", "1983-08-16", "16.08.1984", "1985-09-17", "1986-10-18"),
    *("1987-11-19", "1988-12-20", "1989-01-21", "1990-02-22", "1991-03-23", "1992-04-24"),
]
KEY, OTHER_KEY = "canary key of the first night", "canary key of the second night"


@dataclass
class Nights:
    """A project after two nights: what they said, and the hashes that the first one wrote."""

    project: Project
    exit_code: int
    said: list[str]
    first_hashes: list[str]


@pytest.fixture(scope="module")
def nights(tmp_path_factory: pytest.TempPathFactory) -> Nights:
    """A night that publishes; then one with another key and a rule that DuckDB cannot run on a value."""
    project = tiny.project(tmp_path_factory.mktemp("nights"), CONTRACTS, SQL, FILES)
    first = run(project, KEY)
    hashes = [row[0] for row in lake(project, "ssn")]
    tiny.deliver(project, FAILING)
    with pytest.MonkeyPatch.context() as patch, pytest.raises(StepError) as error:
        patch.setenv("ETL_MASK_KEY", OTHER_KEY)
        tiny.night(project)
    return Nights(project, first.returncode, [first.stdout, str(error.value)], hashes)


def run(project: Project, key: str) -> subprocess.CompletedProcess[str]:
    arguments = ["-m", "luigi", "--module", "etl", "Nightly", "--date", "2024-03-31"]
    return warm.run(arguments, project.root, environment(ETL_MASK_KEY=key))


def hashed(text: str, key: str) -> str:
    return hmac.new(key.encode(), text.encode(), hashlib.sha256).hexdigest()


def lake(project: Project, columns: str) -> list[tuple[Any, ...]]:
    """Return what the lake holds of the first day's people."""
    path = next((project.lake / "people").glob("*=2024-03-01/data.parquet"))
    with duckdb.connect() as con:
        return con.execute(f"select {columns} from read_parquet({literal(str(path))}) order by id").fetchall()


def test_the_first_night_publishes_what_could_be_taken(nights: Nights) -> None:
    assert nights.exit_code == 0, nights.said[0]
    people = tiny.published(nights.project, "select * exclude (_loaded_at) from raw.people order by id limit 1")
    assert people[0][:6] == (1, hashed("111-22-3333", KEY), date(1980, 1, 1), "***7731", None, "ROME")
    assert [row[0] for row in tiny.published(nights.project, "select count(*) from raw.people")] == [3]


def test_hashes_of_two_sources_join(nights: Nights) -> None:
    assert tiny.published(nights.project, "select * from marts.visits") == [("ROME", 2)]


def test_every_other_record_is_in_quarantine_without_its_personal_data(nights: Nights) -> None:
    counts = "select date::varchar, count(*)::int from etl.rejects where source = 'people' group by all"
    assert dict(tiny.published(nights.project, counts)) == QUARANTINED
    texts = "select line, text from etl.rejects where date = '2024-03-02' order by line"
    found = dict(tiny.published(nights.project, texts))
    assert found[3] == f"4,{hashed('canary-ssn-4', KEY)},1983-01-01,***7734,,Rome"
    assert found[4] == f"5,{hashed('501-44-5555', KEY)},***,***7735,,Rome"
    for line in (8, 9):
        assert re.fullmatch(r"\(masked: [45]\d characters, HMAC [0-9a-f]{12}\)", found[line])


def test_rules_and_unique_saw_the_values_themselves(nights: Nights) -> None:
    rules = "select line, rule from etl.rejects where date = '2024-03-02' and line < 8 order by line"
    assert tiny.published(nights.project, rules) == [
        (3, "ssn.str_matches"),
        (4, "born.dtype"),
        (5, "salary.greater_than_or_equal_to"),
        (6, "ssn.unique"),
        (7, "ssn.unique"),
    ]


def test_another_key_extracts_anew(nights: Nights) -> None:
    assert nights.first_hashes == [hashed(text, KEY) for text in ("111-22-3333", "222-33-4444")]
    assert lake(nights.project, "ssn")[0][0] == hashed("111-22-3333", OTHER_KEY)


def test_a_rule_that_cannot_be_run_fails_the_night_without_quoting_the_value(nights: Nights) -> None:
    assert "casts 2024-03-06: casts/2024-03-06.csv could not be extracted: ConversionExc" in nights.said[1]
    assert "may quote the personal data of 'ssn'" in nights.said[1]


def test_no_personal_data_and_no_key_is_in_anything_written_or_said(nights: Nights) -> None:
    keys = [form for key in (KEY, OTHER_KEY) for form in (key, key.encode().hex(), *padded(key))]
    texts = [("what a night said", said) for said in nights.said] + list(written(nights.project))
    assert len(texts) > 20
    found = {(place, secret) for place, text in texts for secret in (*CANARIES, *keys) if secret in text}
    assert found == set()


def padded(key: str) -> Iterator[str]:
    """Yield the key as HMAC mixes it."""
    for pad in (0x36, 0x5C):
        yield bytes(byte ^ pad for byte in key.encode()).decode("latin-1")


def test_without_a_key_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("ETL_MASK_KEY", raising=False)
    project = tiny.project(tmp_path, CONTRACTS, SQL, FILES)
    with pytest.raises(ConfigError, match=r"ETL_MASK_KEY is not set, but the contract .* masks 'ssn'"):
        tiny.night(project)
    assert not project.lake.exists() and not project.quarantine.exists()


def test_the_search_finds_what_is_there(tmp_path: Path) -> None:
    project = tiny.project(tmp_path, raw={})
    project.lake.mkdir(parents=True)
    with duckdb.connect() as con:
        con.execute(f"copy (select repeat('canary-ssn', 50) as s) to {literal(str(project.lake / 'x.parquet'))}")
    assert any("canary-ssn" in text for _, text in written(project))
