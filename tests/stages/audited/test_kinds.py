"""The built-in kinds in a night's audit: one scan, rows that are kept, counts of earlier nights, personal data."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from etl.contract import Column, Contract, Rule, Unique
from etl.contract.audit import Audit, HeaderAudit
from etl.contract.audit_kinds import audits_of
from etl.errors import AuditError, ModelError
from etl.ledger import KEPT_ROWS, Ledger
from etl.project import Project
from etl.stages import warehouse
from etl.stages.audited.checks import Asked, Checks
from tests.stages.audited.candidate import check, failure, loaded, mart
from tests.support import tiny

ITEMS = Contract(
    "marts.items",
    columns=(Column("item", "VARCHAR", False, pii="hash"), Column("n", "BIGINT", True)),
    rules=(Rule("item.not_nullable", '"item" is not null', "item"), Rule("n.gt", '"n" > 0', "n")),
    uniques=(Unique("item.unique", ("item",)),),
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return tiny.once(tmp_path, loaded)


def header(*lines: str, table: str = "marts.items") -> list[Audit]:
    """Return the audits of header lines such as `warn unique: n`."""
    asked = []
    for number, line in enumerate(lines, 1):
        kind, _, text = line.removeprefix("warn ").partition(": ")
        asked.append(HeaderAudit(kind, text, "warn" if line.startswith("warn ") else "error", number))
    return audits_of(table, "sql/marts/items.sql", asked)


def test_a_line_of_a_header_is_a_check_and_its_failure_names_the_line(project: Project) -> None:
    mart(project, "select unnest(['a', 'a', 'b']) as item, unnest([1, null, 3]) as n")

    message = failure(
        project,
        audits=header("unique: item", "warn not_null: n", "row_count: at least 3", "references: n = raw.sales.id"),
    )

    assert message == (
        "marts.items.unique.item found 1 offending row in marts.items: unique: item (sql/marts/items.sql:1).\n"
        "    item = a, rows = 2\n"
        "marts.items.references.n found 1 offending row in marts.items: references: n = raw.sales.id "
        "(sql/marts/items.sql:4).\n"
        "    n = 3, rows = 1"
    )
    query = "select name, passed from etl.checks where table_name = 'marts.items' order by name"
    assert tiny.ask(project.build, query) == [
        ("marts.items.not_null.n", False),
        ("marts.items.references.n", False),
        ("marts.items.row_count.at_least", True),
        ("marts.items.unique.item", False),
    ]


def test_a_thin_delivery_is_found_by_a_contract_and_by_a_header(tmp_path: Path) -> None:
    asked = """
    class Config:
        metadata = {
            "row_count": "within 50% of the last 7 by partition",
            "not_null_warn": "item at least 90% by partition",
        }
"""
    contracts = tiny.CONTRACTS.replace("\nsales = Source(", f"{asked}\nsales = Source(")
    header = (
        "-- materialized: incremental\n-- partition: delivery_date\n-- freshness: delivery_date within 9 days, at "
    )
    sql = {"marts/daily.sql": f"{header}least 50% of the usual rows\nselect * from raw.sales"}
    full = "id,item\n" + "".join(f"{n},pen\n" for n in range(10))
    raw = {f"sales/2024-03-0{day}.csv": full for day in range(1, 9)}
    project = tiny.project(tmp_path, contracts=contracts, sql=sql, raw=raw)
    tiny.night(project, date(2024, 3, 8))
    tiny.deliver(project, {"sales/2024-03-09.csv": "id,item\n1,pen\n2,\n"})

    with pytest.raises(AuditError) as error:
        tiny.night(project, date(2024, 3, 9))

    assert "raw.sales.row_count.last_7,delivery_date found 1 offending row in raw.sales" in str(error.value)
    assert "delivery_date = 2024-03-09, rows = 2, expected_rows = 10.0" in str(error.value)
    assert "marts.daily.freshness.delivery_date found 1 offending row" in str(error.value)
    (warned,) = [c for c in Ledger(project.ledger).checks().values() if c.severity == "warn"]
    assert warned.examples == ["delivery_date = 2024-03-09, rows = 2, filled_rows = 1"]


def test_conditions_of_contract_and_header_take_one_scan(project: Project, monkeypatch: Any) -> None:
    mart(project, "select 'a' as item, 1::bigint as n")
    scans: list[list[str]] = []
    scan = Checks.scan

    def noting(self: Checks, table: str, asked: Sequence[Asked], *parts: Any) -> None:
        scans.append([one.name for one in asked])
        scan(self, table, asked, *parts)

    monkeypatch.setattr(Checks, "scan", noting)

    check(
        project,
        contracts={"marts.items": ITEMS},
        audits=header("not_null: n", "accepted_values: item = a, b", "unique: n"),
    )

    names = ["item.not_nullable", "n.gt", "not_null.n", "accepted_values.item"]
    assert scans == [[f"marts.items.{name}" for name in names]]


def test_what_the_contract_checks_already_is_not_checked_twice(project: Project) -> None:
    mart(project, "select 'a' as item, 1::bigint as n")

    found = check(
        project,
        contracts={"marts.items": ITEMS},
        audits=header("not_null: item", "unique: item", "warn unique: item", "unique: item, n"),
    )

    assert [name for name in found if ".unique." in name or "not_n" in name] == [
        "marts.items.item.not_nullable",
        "marts.items.unique.item,n",
    ]


def test_an_audit_that_header_and_contract_ask_for_is_one(project: Project) -> None:
    mart(project, "select 'a' as item, 1::bigint as n")
    lines = (HeaderAudit("row_count", "at least 1"), HeaderAudit("row_count", "at least 2", "warn"))

    found = check(
        project,
        contracts={"marts.items": replace(ITEMS, audits=lines)},
        audits=header("row_count: at least 1"),
    )

    assert {name: c.passed for name, c in found.items() if "row_count" in name} == {
        "marts.items.row_count.at_least": True,
        "marts.items.row_count.at_least#2": False,
    }


def test_a_raw_contract_asks_for_audits_of_its_table(project: Project) -> None:
    contract = replace(tiny.CONTRACT, audits=(HeaderAudit("freshness", "delivery_date within 2 days"),))
    source = tiny.sales(contract=contract)

    check(project, sources=[source], batch_date=date(2024, 3, 3))
    message = failure(project, sources=[source], batch_date=date(2024, 3, 4))

    assert message == (
        "raw.sales.freshness.delivery_date found 1 offending row in raw.sales: "
        "freshness: delivery_date within 2 days (contract Sales).\n"
        "    newest = 2024-03-01, batch_date = 2024-03-04"
    )


def test_freshness_is_judged_each_night_and_others_only_when_something_changed(project: Project) -> None:
    mart(project, "select 'a' as item, date '2024-03-01' as day")
    audits = header("freshness: day within 9 days", "unique: item", "not_null: item")

    for run in (1, 2, 3):
        found = check(project, f"run-{run}", audits=audits, batch_date=date(2024, 3, max(2, run)))

    assert {name: c.run_id for name, c in found.items() if name.startswith("marts")} == {
        "marts.items.freshness.day": "run-3",
        "marts.items.not_null.item": "run-1",
        "marts.items.unique.item": "run-1",
    }


def test_an_audit_of_a_table_that_nobody_makes_stops_the_audit_with_a_hint(project: Project) -> None:
    contract = replace(tiny.CONTRACT, audits=(HeaderAudit("references", "item = raw.sale.item"),))

    with pytest.raises(
        ModelError, match=r"contract Sales: .* there is no table raw.sale. Did you mean raw.sales\?"
    ):
        check(project, sources=[tiny.sales(contract=contract)])


def test_offending_rows_are_kept_up_to_a_number_until_the_check_passes(project: Project) -> None:
    mart(
        project,
        "select i::varchar as item, (i / 4)::double as n, repeat('x', 999) as text from range(150) as t(i)",
    )
    audits = [
        Audit(
            "audits.a",
            "f",
            "from marts.items where n > 9",
            "n",
            reads=("marts.items",),
            severity="warn",
            why="many",
        )
    ]

    found = check(project, audits=audits)["audits.a"]
    kept = Ledger(project.ledger).offending("audits.a")

    assert found.failing == 113
    assert kept.query == "from marts.items where n > 9"
    assert len(kept.rows) == KEPT_ROWS
    assert kept.rows[0] == {"item": "37", "n": 9.25, "text": "x" * 300}

    mart(project, "select 'a' as item, 1 as n")
    assert check(project, audits=audits)["audits.a"].passed
    assert Ledger(project.ledger).offending("audits.a") == (kept.query, [])


def test_rows_of_any_type_are_kept_as_json(project: Project) -> None:
    mart(
        project, "select 'nan'::double as f, [1.5, 'inf'::double] as l, {'a': 1} as s, 2::hugeint as h, null as z"
    )

    check(
        project,
        audits=[
            Audit("audits.a", "f", "from marts.items", "n", reads=("marts.items",), severity="warn", why="all")
        ],
    )

    assert Ledger(project.ledger).offending("audits.a").rows == [
        {"f": "nan", "l": "[1.5, Infinity]", "s": {"a": 1}, "h": 2, "z": None}
    ]


def test_personal_data_is_neither_in_messages_nor_in_the_ledger(project: Project) -> None:
    mart(project, "select unnest(['zoe-1', 'zoe-1', 'zoe-2']) as item, unnest([-1, -2, -3])::bigint as n")
    audits = [
        *header("accepted_values: item = eve", "references: item = raw.sales.item"),
        *header("warn sums_to: n = raw.sales.id by item"),
        Audit(
            "audits.a",
            "f",
            "select item, n from marts.items",
            "n",
            reads=("marts.items",),
            severity="error",
            why="why",
        ),
        Audit(
            "audits.b",
            "f",
            "select item::bigint as x from marts.items",
            "m",
            reads=("marts.items",),
            severity="error",
            why="why",
        ),
    ]

    message = failure(project, contracts={"marts.items": ITEMS}, audits=audits)

    assert "    item = ***, n = -1" in message
    assert "    item = ***, rows = 1" in message
    assert "it cannot be run: ConversionException. Its text is withheld, since it may quote item" in message
    checks = str(tiny.ask(project.build, "from etl.checks"))
    ledger = b"".join(path.read_bytes() for path in project.ledger.parent.glob("ledger.sqlite*"))
    assert "zoe" not in message + checks
    assert b"***" in ledger
    assert b"zoe" not in ledger


def test_a_sum_of_personal_data_is_hidden_too(project: Project) -> None:
    mart(project, "select 'a' as item, 1000 as n")
    contract = replace(
        ITEMS, columns=(Column("item", "VARCHAR", False), Column("n", "BIGINT", True, pii="partial"))
    )

    check(project, contracts={}, audits=header("warn sums_to: n = raw.sales.id"))
    assert Ledger(project.ledger).offending("marts.items.sums_to.n").rows == [{"own_sum": 1000, "other_sum": 3}]
    failure(project, contracts={"marts.items": contract}, audits=header("sums_to: n = raw.sales.id"))
    assert Ledger(project.ledger).offending("marts.items.sums_to.n").rows == [
        {"own_sum": "***", "other_sum": "***"}
    ]


class Nights:
    """Nights of one table of so many rows, with a check against the one before."""

    def __init__(self, project: Project, text: str = "within 50% of yesterday") -> None:
        self.project, self.audits = project, header(f"row_count: {text}")
        self.name, self.runs = self.audits[0].name, 0

    def night(self, day: int, rows: int) -> str:
        """Return what the check says of a night: passed, a note, or the offending row."""
        self.runs += 1
        mart(self.project, f"select i as n from range({rows}) as t(i)")
        with warehouse.open_build(self.project, Ledger(self.project.ledger), "run") as con:
            con.execute(f"update etl.models set fingerprint = 'of {rows}' where name = 'marts.items'")
        when = date(2024, 3, 1) + timedelta(day)
        with suppress(AuditError):
            check(self.project, f"run-{self.runs:03}", audits=self.audits, batch_date=when)
        found = Ledger(self.project.ledger).checks()[self.name]
        return found.examples[0] if found.examples else "passed"

    def counts(self) -> list[tuple[str, int]]:
        """Return the history, as the build has it; the ledger has the same."""
        query = "select batch_date::varchar, rows from etl.row_counts order by run_id"
        counts = [(day, int(rows)) for day, rows in tiny.ask(self.project.build, query)]
        assert counts == [(count.batch_date, count.rows) for count in Ledger(self.project.ledger).row_counts()]
        return counts


NOTHING_YET = "nothing to compare with yet: this is the first night that its rows are counted"


def test_rows_are_compared_with_the_night_before(project: Project) -> None:
    nights = Nights(project)

    assert nights.night(1, 100) == NOTHING_YET
    assert nights.night(2, 150) == "passed"
    assert nights.night(3, 226) == "rows = 226, expected_rows = 150.0"
    assert nights.night(3, 225) == "passed"
    assert nights.counts() == [("2024-03-02", 100), ("2024-03-03", 150), ("2024-03-04", 225)]


def test_a_night_that_failed_is_no_measure_for_the_next(project: Project) -> None:
    nights = Nights(project)
    nights.night(1, 100)

    assert nights.night(2, 10) == "rows = 10, expected_rows = 100.0"
    assert nights.night(3, 11) == "rows = 11, expected_rows = 100.0"
    assert nights.counts() == [("2024-03-02", 100)]


def test_a_night_that_runs_again_is_counted_once_and_never_compared_with_itself(project: Project) -> None:
    nights = Nights(project)
    nights.night(1, 100)
    nights.night(2, 140)

    assert nights.night(2, 151) == "rows = 151, expected_rows = 100.0"
    assert nights.counts() == [("2024-03-02", 100), ("2024-03-03", 140)]
    assert nights.night(2, 60) == "passed"
    assert nights.counts() == [("2024-03-02", 100), ("2024-03-03", 60)]


def test_nights_without_anything_new_do_not_flatten_the_history(project: Project) -> None:
    nights = Nights(project, "within 10% of the last 2")
    for day, rows in enumerate([100, 110, 110, 110, 110]):
        nights.night(day, rows)

    assert nights.counts() == [("2024-03-01", 100), ("2024-03-02", 110)]
    assert nights.night(6, 118) == "rows = 118, expected_rows = 105.0"
    assert nights.night(6, 115) == "passed"


def test_a_table_that_was_empty_can_be_filled(project: Project) -> None:
    nights = Nights(project)

    assert [nights.night(1, 0), nights.night(2, 100), nights.night(3, 0)] == [
        NOTHING_YET,
        NOTHING_YET,
        "rows = 0, expected_rows = 100.0",
    ]


def test_the_history_survives_a_deleted_build_and_a_deleted_ledger_but_not_both(project: Project) -> None:
    nights = Nights(project)
    nights.night(1, 100)
    project.build.unlink()
    restored = loaded(project.root)
    nights.project = restored

    assert nights.night(2, 151) == "rows = 151, expected_rows = 100.0"
    for path in restored.ledger.parent.glob("ledger.sqlite*"):
        path.unlink()
    assert nights.night(2, 151) == "rows = 151, expected_rows = 100.0"
    assert nights.night(2, 150) == "passed"
    for path in [restored.build, *restored.ledger.parent.glob("ledger.sqlite*")]:
        path.unlink()
    loaded(project.root)
    assert nights.night(3, 900) == NOTHING_YET


def test_a_build_that_was_deleted_is_compared_as_it_was_before(project: Project) -> None:
    nights = Nights(project)
    nights.night(1, 100)
    nights.night(2, 140)
    project.build.unlink()
    loaded(project.root)

    assert nights.night(3, 140) == "passed"
    assert nights.counts() == [("2024-03-02", 100), ("2024-03-03", 140)]
