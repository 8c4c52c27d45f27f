"""What may be promoted: what was audited, is not older than what is there, and has its approvals."""

import logging
import os
from datetime import date
from pathlib import Path

import duckdb
import pytest

from etl.errors import ConfigError, PromotionRefused, PublishError
from etl.ledger import Ledger
from etl.ledger.lock import take_lock
from etl.operations import promotion as promotions
from etl.operations.promotion import Promotion, approve
from etl.project import load_project
from etl.reports.history import find_run
from etl.stages import published
from tests.support import tiny

NEW = {"sales/2024-03-03.csv": "id,item\n4,cup\n"}


@pytest.fixture
def promotion(tmp_path: Path) -> Promotion:
    """A promotion from staging, which has published more, to prod; a shop's prices come as a snapshot."""
    prod = tiny.once(tmp_path, in_two_environments)
    return Promotion(load_project(prod.root, "staging"), prod)


def in_two_environments(root: Path) -> None:
    contracts = tiny.CONTRACTS + '\nprices = Source(contract=Sales, files="prices.csv")\n'
    prod = tiny.project(root, contracts=contracts, settings="threads = 1\n[etl.env.staging]\n[etl.env.prod]\n")
    tiny.deliver(prod, {"prices.csv": "id,item\n1,book\n"})
    tiny.night(prod)
    tiny.deliver(prod, NEW)
    tiny.night(load_project(prod.root, "staging"))


def refused(promotion: Promotion, why: str) -> None:
    before = published.current(promotion.target)
    assert not promotion.is_done()
    with pytest.raises(PromotionRefused, match=why):
        promotion.promote("ann")
    assert published.current(promotion.target) == before
    # the lock is free again
    os.close(take_lock(promotion.target, "another"))


def write(file: Path, text: str) -> None:
    file.parent.mkdir(parents=True)
    file.write_text(text)


def asking(promotion: Promotion, approvals: int) -> Promotion:
    config = promotion.target.root / "luigi.cfg"
    config.write_text(config.read_text() + f"approvals = {approvals}\n")
    return Promotion(promotion.source, load_project(promotion.target.root))


def test_a_promotion_is_done_once_and_says_so(promotion: Promotion, caplog: pytest.LogCaptureFixture) -> None:
    assert not promotion.is_done()
    promotion.promote("ann", "new items")
    assert promotion.is_done()

    with caplog.at_level(logging.INFO, "etl"):
        assert Promotion(promotion.source, promotion.target).is_done()

    assert "prod has generation" in caplog.text and "of staging already: nothing to promote" in caplog.text
    record = published.read_record(promotion.target.current)
    assert record and record.origin["generation"] == published.current(promotion.source)
    os.close(take_lock(promotion.target, "another"))


def test_the_history_of_what_is_promoted_is_where_it_was_made(promotion: Promotion) -> None:
    assert not promotion.is_done()
    promotion.promote("ann", "new items")

    name = published.current(promotion.target)
    with pytest.raises(ConfigError, match=f"made in the environment staging.*ETL_ENV=staging etl show {name}"):
        find_run(promotion.target, Ledger(promotion.target.ledger), str(name))
    assert find_run(promotion.source, Ledger(promotion.source.ledger), str(name)).run_id == name


def test_what_is_not_published_cannot_be_promoted(promotion: Promotion) -> None:
    promotion.source.warehouse.unlink()
    refused(promotion, "staging has published nothing that could be promoted")


def test_what_is_rolled_back_is_not_promoted_though_the_target_has_it(promotion: Promotion) -> None:
    promotion.promote("ann")
    tiny.deliver(promotion.source, {"sales/2024-03-04.csv": "id,item\n5,spoon\n"})
    tiny.night(promotion.source)
    published.rollback(promotion.source, Ledger(promotion.source.ledger), by="bob", reason="spoons")
    refused(promotion, r"staging is rolled back from run-\d+ by bob .*: spoons. Fix that first")


@pytest.mark.parametrize(
    ("sql", "why"),
    [
        ("update etl.checks set passed = false, severity = 'error'", "it did not pass its audit: "),
        ("delete from etl.checks", "it was not audited: its etl.checks is empty"),
    ],
)
def test_what_did_not_pass_its_audit_by_its_own_word_is_refused(promotion: Promotion, sql: str, why: str) -> None:
    file = promotion.source.warehouse.resolve()
    file.chmod(0o600)
    with duckdb.connect(str(file)) as con:
        con.execute(sql)
    refused(promotion, why)


def test_one_without_a_record_is_refused(promotion: Promotion) -> None:
    (promotion.source.current / "generation.json").unlink()
    refused(promotion, "has no record of its inputs. Publish")


def test_a_partition_that_only_the_target_has_is_newer_unless_its_file_is_gone(promotion: Promotion) -> None:
    tiny.deliver(promotion.target, {"sales/2024-03-04.csv": "id,item\n5,spoon\n"})
    tiny.night(promotion.target)
    refused(promotion, r"prod has newer inputs: sales 2024-03-04 \(sales/2024-03-04.csv\).*ETL_ENV=staging luigi")

    (promotion.target.raw / "sales/2024-03-04.csv").unlink()
    tiny.night(promotion.source)
    tiny.deliver(promotion.source, {"sales/2024-03-05.csv": "id,item\n6,fork\n"})
    tiny.night(promotion.source)

    promotion.promote("ann")

    assert tiny.published(promotion.target, "select item from raw.sales order by id")[-1] == ("fork",)


def test_a_file_that_the_target_took_again_later_is_newer(promotion: Promotion) -> None:
    tiny.deliver(promotion.target, {"sales/2024-03-02.csv": "id,item\n3,mended\n"})
    tiny.night(promotion.target)
    refused(promotion, r"prod has newer inputs: sales 2024-03-02")


def test_a_snapshot_is_the_same_though_each_environment_took_it_on_a_night_of_its_own(
    promotion: Promotion,
) -> None:
    tiny.deliver(promotion.target, {"prices.csv": "id,item\n1,books\n"})
    tiny.night(promotion.target, date(2024, 3, 30))
    refused(promotion, r"prod has newer inputs: prices 2024-03-30 \(prices.csv\)")

    tiny.night(promotion.source)
    promotion.promote("ann")

    assert tiny.published(promotion.target, "select item from raw.prices") == [("books",)]


def test_a_snapshot_of_a_history_that_only_the_target_took_would_be_lost(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("sales/{date}.csv", "sales.csv").replace('csv")', 'csv", history=True)')
    prod = tiny.project(
        tmp_path, contracts, raw={"sales.csv": "id,item\n1,book\n"}, settings="[etl.env.staging]\n"
    )
    tiny.night(prod, date(2024, 3, 1))
    tiny.deliver(prod, {"sales.csv": "id,item\n1,pen\n"})
    tiny.night(prod, date(2024, 3, 2))
    staging = load_project(prod.root, "staging")
    tiny.night(staging, date(2024, 3, 3))

    refused(
        Promotion(staging, prod),
        r"prod has snapshots that staging never took: sales 2024-03-01 \(sales.csv\). Recreate staging: ",
    )


def test_what_people_decided_in_the_target_would_be_lost(promotion: Promotion) -> None:
    decided = Path("sales/2024-03-01.jsonl")
    write(promotion.target.corrections / decided, '{"line": 2}\n')
    refused(
        promotion, f"prod has decisions about rejected records that staging lacks: {decided}. Copy the missing"
    )

    write(promotion.source.corrections / decided, '{"line": 1}\n{"line": 2}\n')
    promotion.promote("ann")


def test_a_delivery_of_several_files_is_newer_as_long_as_one_of_them_is_there(tmp_path: Path) -> None:
    contracts = tiny.CONTRACTS.replace("sales/{date}.csv", "sales/{date}-*.csv")
    days = {
        f"sales/2024-03-0{day}-{part}.csv": f"id,item\n{day}{part},book\n" for day in (1, 2) for part in (1, 2)
    }
    prod = tiny.project(tmp_path, contracts, raw=days, settings="[etl.env.staging]\n")
    tiny.night(prod)
    promotion = Promotion(load_project(prod.root, "staging"), prod)
    tiny.night(promotion.source, date(2024, 3, 1))

    refused(promotion, r"prod has newer inputs: sales 2024-03-02 \(sales/2024-03-02-\*.csv \(2 files\)\)")

    for part in (1, 2):
        (prod.raw / f"sales/2024-03-02-{part}.csv").unlink()
    promotion.promote("ann")


def test_different_people_approve_and_the_same_one_counts_once(promotion: Promotion) -> None:
    promotion = asking(promotion, 2)
    name = published.current(promotion.source) or ""
    refused(promotion, "it needs 2 approvals of different people, and has 0: ETL_ENV=staging etl approve")

    for who in ("ann", " ann ", "Ann"):
        approve(promotion.source, name, who, "compared")
    refused(promotion, "and has 1: ")

    approve(promotion.source, name, "bob", "compared too")
    promotion.promote("ann")

    assert {approval.by for approval in Ledger(promotion.target.ledger).approvals(name)} == {"ann", "Ann", "bob"}
    record = published.read_record(promotion.target.current)
    assert record and {approval["by"] for approval in record.origin["approvals"]} == {"ann", "Ann", "bob"}


def test_an_approval_is_of_one_generation_and_not_of_the_next(promotion: Promotion) -> None:
    promotion = asking(promotion, 1)
    approve(promotion.source, published.current(promotion.source) or "", "bob", "compared")
    tiny.deliver(promotion.source, {"sales/2024-03-04.csv": "id,item\n5,spoon\n"})
    tiny.night(promotion.source)
    refused(promotion, "it needs 1 approval of different people, and has 0")


def test_who_approves_waits_for_no_run_and_keeps_the_first_word(promotion: Promotion) -> None:
    name = published.current(promotion.source) or ""
    lock = take_lock(promotion.source, "a night")
    try:
        first = approve(promotion.source, name[:6], "bob", "compared")
    finally:
        os.close(lock)
    assert approve(promotion.source, name, "bob", "again") == first


def test_an_approval_has_a_name_a_reason_and_a_generation(promotion: Promotion) -> None:
    name = published.current(promotion.source) or ""
    for by, reason in (("", "x"), ("x", " ")):
        with pytest.raises(ConfigError, match="An approval needs --by NAME and --reason TEXT"):
            approve(promotion.source, name, by, reason)
    with pytest.raises(PublishError, match="There is no generation run-x"):
        approve(promotion.source, "run-x", "bob", "compared")
    assert Ledger(promotion.source.ledger).approvals(name) == []


def test_a_generation_that_goes_while_it_is_promoted_is_a_matter_of_trying_again(
    promotion: Promotion, monkeypatch: pytest.MonkeyPatch
) -> None:
    def gone(*_: object) -> str:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr(published, "promote", gone)
    with pytest.raises(PublishError, match=r"Did staging publish meanwhile\? Run again"):
        promotion.promote("ann")


def test_the_next_night_leaves_what_was_promoted_and_publishes_on_top_what_is_new(promotion: Promotion) -> None:
    promotion.promote("ann")
    promoted = published.current(promotion.target)

    tiny.night(promotion.target)

    assert published.current(promotion.target) == promoted
    assert not tiny.stale(tiny.plan(promotion.target))

    tiny.deliver(promotion.target, {"sales/2024-03-04.csv": "id,item\n5,spoon\n"})
    tiny.night(promotion.target)

    assert tiny.published(promotion.target, "select count(*) from raw.sales") == [(5,)]
    assert published.generations(promotion.target)[-2:] == [promoted, published.current(promotion.target)]


def test_an_environment_is_not_promoted_to_itself(tmp_path: Path) -> None:
    root = tiny.project(tmp_path).root
    with pytest.raises(ConfigError, match="prod and prod are the same environment"):
        promotions.promotion(str(root), "prod", "prod")
