"""The `etl` command: what it answers about a project, and what it says when it cannot."""

import json
import os
import subprocess
import sys
import threading
from datetime import date

import pytest
from click.testing import CliRunner

from etl.cli.main import cli, main
from etl.errors import AlreadyRunning, AuditError, ConfigError, EtlError, ModelError, PublishError, QueryError
from etl.ledger import Key, Ledger, Receipt, Run, now
from etl.ledger.lock import holder, take_lock
from etl.project.settings import Settings
from etl.run.active import active_run
from tests.support import tiny

DIRTY = "id,item\n3,book\nfour,pen\n5,cap,extra\n"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    """A project with two days of sales, the second with two records to reject; published."""
    project = tiny.once(tmp_path / "shop", published)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    return project


def published(root):
    tiny.night(tiny.project(root, raw={**tiny.SALES, "sales/2024-03-04.csv": DIRTY}))


def answer(*arguments):
    """Return what a command prints; its error is raised."""
    result = CliRunner().invoke(cli, arguments)
    if result.exception:
        raise result.exception
    return result.output


def test_status_tells_how_fresh_and_how_clean_each_source_is(shop):
    (sales,) = json.loads(answer("status", "--json"))["sources"]
    assert sales.pop("taken_at").startswith("20")
    assert sales == {
        "source": "sales",
        "connector": "Files",
        "place": "sales/{date}.csv",
        "task": None,
        "fetch": None,
        "newest": "2024-03-04",
        "partitions": 3,
        "rows": 4,
        "rejected": 2,
        "discarded": 0,
        "refused": [],
        "kept": [],
        "holes": ["2024-03-03"],
        "rhythm": "",
        "late_since": None,
        "lost": [],
        "load": "table",
        "parked": [],
        "notes": [],
    }


def test_status_shows_the_last_run_and_the_generation_as_text(shop):
    text = answer("status")
    assert f"project     {shop.root}" in text
    assert "sales\t2024-03-04\t3\t4\t2\t\t2024-03-03" in text


def test_status_names_the_files_that_no_source_takes(shop):
    (shop.raw / "sales" / "march.csv").touch()
    assert "data/raw holds 1 file that no source takes: sales/march.csv" in answer("status")


def test_status_of_a_project_that_never_ran_is_no_error(tmp_path, monkeypatch):
    project = tiny.project(tmp_path)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    assert "nothing is published yet" in answer("status")


def test_sql_answers_from_the_current_generation(shop):
    rows = json.loads(answer("sql", "select item, sales from marts.items order by item", "--json"))
    assert rows == [{"item": "book", "sales": 3}, {"item": "pen", "sales": 1}]


def test_sql_shows_times_with_a_zone(shop):
    assert "+00:00" in answer("sql", "select finished_at from etl.runs")


@pytest.mark.parametrize("query", ["from read_csv('/etc/passwd')", "create table x (a int)", "selec 1"])
def test_sql_neither_writes_nor_reads_files_and_says_why(shop, query):
    with pytest.raises(EtlError, match=r"disabled by configuration|read-only|syntax error"):
        answer("sql", query)


def test_sql_before_the_first_publish_says_what_to_do(tmp_path, monkeypatch):
    monkeypatch.setenv("ETL_PROJECT", str(tiny.project(tmp_path).root))
    with pytest.raises(PublishError, match=r"Nothing is published yet. Run"):
        answer("sql", "select 1")


def test_rollback_makes_the_generation_before_the_current_one(shop):
    (first,) = [line.split()[0] for line in answer("generations").splitlines()[1:]]
    tiny.deliver(shop, {"sales/2024-03-05.csv": "id,item\n9,book\n"})
    tiny.night(shop)
    assert len(answer("generations").splitlines()) == 3
    said = answer("rollback", "--by", "ann", "--reason", "doubled").splitlines()
    assert said[0] == f"{first} is the current generation."
    assert ": sales 2024-03-05 (sales/2024-03-05.csv). They came with " in said[1]
    assert json.loads(answer("status", "--json"))["generation"] == first
    assert "by ann at" in answer("status") and ": doubled; held until it changes: sales" in answer("status")
    assert [row["note"] for row in json.loads(answer("generations", "--json"))] == ["held", "current"]


def test_audit_of_what_is_published_says_what_it_found(shop):
    assert answer("audit", "--published").startswith("audited 1 check of generation run-")
    (shop.sql / "audits").mkdir()
    (shop.sql / "audits/books.sql").write_text(
        "-- fail: no books\n-- rollback\nselect id from raw.sales where id = 3"
    )

    result = CliRunner().invoke(cli, ["audit", "--published"])

    assert isinstance(result.exception, AuditError) and result.exception.exit_code == 30
    assert "No earlier generation passes audits.books" in str(result.exception)
    assert "audited 2 checks of generation run-" in result.output
    assert CliRunner().invoke(cli, ["audit"]).exit_code == 2


def test_rollback_waits_for_no_run(shop):
    lock = take_lock(shop, "a-run")
    try:
        with pytest.raises(AlreadyRunning, match="run a-run, process"):
            answer("rollback")
    finally:
        os.close(lock)


def test_init_makes_a_project_that_runs_as_it_is(tmp_path):
    answer("init", str(tmp_path / "new"))
    env = {**os.environ, "ETL_PROJECT": str(tmp_path / "new")}
    command = [sys.executable, "-m", "etl", "run", "--date", "2024-03-02"]
    night = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
    assert night.returncode == 0, night.stderr
    assert "sales: 2 partitions taken, 5 rows, 1 rejected" in night.stderr


def test_an_empty_project_is_sound_and_says_what_to_do_next(tmp_path, monkeypatch):
    root = tmp_path / "new"
    (root / ".git").mkdir(parents=True)
    assert f"cd {root} && etl sniff" in answer("init", "--empty", str(root))
    assert sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()) == ["luigi.cfg"]
    monkeypatch.setenv("ETL_PROJECT", str(root))
    assert answer("check").startswith("All is sound: 0 sources")
    assert "To propose one: etl sniff FILE" in answer("plan")
    assert "To propose one: etl sniff FILE" in answer("status")
    with pytest.raises(ConfigError, match="is not empty"):
        answer("init", "--empty", str(root))


def test_init_leaves_a_folder_that_is_in_use_alone(shop):
    with pytest.raises(ConfigError, match="is not empty"):
        answer("init", str(shop.root))


def test_an_error_is_a_message_and_an_exit_code_without_a_traceback(shop, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["etl", "rollback", "nope"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 30
    assert capsys.readouterr().err.startswith("Error: There is no generation nope. There are: ")


def begun(project, **values):
    """Note a run that began and said nothing since, with a step that it did."""
    ledger = Ledger(project.ledger)
    ledger.write_run(Run("run-9999", "2024-03-05", now(), pid=os.getpid(), **values))
    ledger.write(Receipt(Key("extract", "sales", "2024-03-05"), "x", "run-9999", details=DETAILS))
    return ledger


DETAILS = {"rows": 0, "rejected": 0}


def test_status_asks_the_lock_whether_a_run_is_under_way(shop):
    begun(shop)
    lock = take_lock(shop, "run-9999")
    try:
        assert "last run    under way, last step extract sales 2024-03-05, batch date 2024-03-05" in answer(
            "status"
        )
    finally:
        os.close(lock)
    dead = "last run    ended without a word (killed?), last step extract sales 2024-03-05, batch date"
    assert dead in answer("status")
    lock = take_lock(shop, "rollback")
    try:
        assert dead in answer("status")
    finally:
        os.close(lock)


def test_who_asks_the_lock_stops_no_run_that_begins(shop):
    asking = threading.Event()

    def ask():
        while not asking.is_set():
            holder(shop)

    asker = threading.Thread(target=ask)
    asker.start()
    try:
        for _ in range(100):
            os.close(take_lock(shop, "a-run"))
    finally:
        asking.set()
        asker.join()


def test_status_prints_why_the_last_run_failed(shop):
    ledger = begun(shop, outcome="failed")
    ledger.note_problem("run-9999", "LakePartition", "sales 2024-03-05: no header\n  deliver it again")
    text = answer("status")
    assert "last run    failed, batch date 2024-03-05" in text
    assert "            LakePartition: sales 2024-03-05: no header\n              deliver it again\n" in text
    last = json.loads(answer("status", "--json"))["last_run"]
    assert [each["step"] for each in last["problems"]] == ["LakePartition"]


def test_status_prints_why_the_last_run_could_not_begin(shop):
    (shop.sql / "marts/last.sql").write_text("select itme from raw.sales")
    with pytest.raises(ModelError):
        active_run(str(shop.root), "run-9999")
    text = answer("status")
    assert "            plan: " in text
    assert text.count("Did you mean item?") == 2
    assert "etl drop" not in text, "an error in SQL is no reason to delete a source"
    assert "sales\t2024-03-04\t3\t4\t2" in text
    (shop.sql / "marts/last.sql").unlink()
    assert answer("status").count("Did you mean item?") == 1


@pytest.mark.parametrize(
    ("outcome", "why"),
    [
        ("failed", "it ended before its audit"),
        ("killed", "it ended before its audit"),
        ("unchanged", "nothing had changed"),
        ("published", "an earlier one had audited what it published"),
        ("", "it is under way, and has not come to its audit yet"),
    ],
)
def test_audits_say_that_they_are_of_an_earlier_run(shop, outcome, why):
    assert "audited nothing" not in answer("audits")
    begun(shop, outcome=outcome)
    said = answer("audits").splitlines()[0]
    assert said.endswith(f"of 2024-03-31. The last run, run-9999, audited nothing: {why}.")


def test_status_says_since_when_a_source_is_late(tmp_path, monkeypatch):
    raw = {f"sales/2024-03-{day:02}.csv": f"id,item\n{day},pen\n" for day in range(1, 11)}
    project = tiny.project(tmp_path / "shop", raw=raw)
    monkeypatch.setenv("ETL_PROJECT", str(project.root))
    tiny.night(project, last=date(2024, 3, 15))
    assert "sales: late since 2024-03-11 (daily)\n" in answer("status")
    assert "2 earlier, 2024-03-13, 2024-03-14, 2024-03-15" in answer("status")
    (sales,) = json.loads(answer("status", "--json"))["sources"]
    assert (sales["late_since"], len(sales["holes"])) == ("2024-03-11", 5)


@pytest.fixture(params=["full", "read-only"])
def bad_disk(shop, request):
    """The project with its data on a disk that takes nothing more, beside a ledger whose log was not merged."""
    ledger = begun(shop, outcome="failed")
    aside = shop.data.rename(shop.root / "aside")
    shop.data.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", "size=20m", "tmpfs", shop.data], check=False).returncode:
        pytest.skip("only root can mount a disk of its own")
    try:
        subprocess.run(["cp", "-a", f"{aside}/.", shop.data], check=True)
        assert shop.ledger.with_name(f"{shop.ledger.name}-wal").stat().st_size
        shop.ledger.with_name(f"{shop.ledger.name}-shm").unlink()
        if request.param == "full":
            with (shop.data / "full").open("wb", buffering=0) as file, pytest.raises(OSError, match="No space"):
                while True:
                    file.write(bytes(4096))
        else:
            subprocess.run(["mount", "-o", "remount,ro", shop.data], check=True)
        yield shop
    finally:
        subprocess.run(["umount", "-l", shop.data], check=True)
        del ledger


def test_a_disk_that_takes_nothing_hides_nothing(bad_disk):
    assert "last run    failed, batch date 2024-03-05" in answer("status")
    assert "marts.items" in answer("plan", "--date", "2024-03-31", "--all")
    assert "four,pen" in answer("quarantine", "sales")
    assert "raw.sales" in answer("lineage", "marts.items")
    assert "book" in answer("sql", "select * from marts.items")
    for command in (["audits"], ["quarantine"], ["generations"], ["env", "list"]):
        assert answer(*command)


@pytest.mark.parametrize(
    "query", ["selec 1", "select itme from marts.items", "from marts.itmes", "select 'x'::int"]
)
def test_a_query_with_a_typo_is_a_wrong_command(shop, query):
    with pytest.raises(QueryError) as error:
        answer("sql", query)
    assert error.value.exit_code == 2


def test_time_spans_are_shown_as_duckdb_writes_them(shop):
    query = "select interval '1 month 2 days' as span, [interval '3 seconds'] as spans, 1 as n"
    assert json.loads(answer("sql", query, "--json")) == [
        {"span": "1 month 2 days", "spans": "['00:00:03']", "n": 1}
    ]
    assert "1 month 2 days" in answer("sql", query)


def test_a_long_value_is_cut_with_its_length_and_whole_as_json(shop):
    query = "select repeat('x', 2000000) as text"
    assert "x... (2,000,000 characters)" in answer("sql", query)
    assert len(answer("sql", query)) < 5000
    assert len(answer("sql", query, "--json")) > 2_000_000


@pytest.mark.parametrize(
    "query",
    ["call enable_logging(storage='file', storage_config={'path': 'x.log'})", "set memory_limit = '1GB'",
     "copy (select 1) to 'data/.scratch/spill/x.csv'", "from read_csv('data/.scratch/spill/x.csv')"],
)  # fmt: skip
def test_a_query_can_neither_log_nor_reach_what_a_run_spills(shop, monkeypatch, query):
    monkeypatch.chdir(shop.root)
    spill = shop.scratch / "spill"
    spill.mkdir(parents=True)
    (spill / "x.csv").write_text("secret")
    result = CliRunner().invoke(cli, ["sql", query])
    assert isinstance(result.exception, EtlError)
    assert (spill / "x.csv").read_text() == "secret"


def test_what_is_exported_has_the_permissions_of_the_project(shop, tmp_path, monkeypatch):
    before = os.umask(0o022)
    monkeypatch.setattr(Settings, "mask", 0o077)
    try:
        answer("quarantine", "export", "sales", str(tmp_path / "e.csv"))
        assert (tmp_path / "e.csv").stat().st_mode & 0o077 == 0
        os.umask(0o022)
        CliRunner().invoke(cli, ["diff", "current", "current", "marts.items", "--out", str(tmp_path / "d.csv")])
        assert (tmp_path / "d.csv").stat().st_mode & 0o077 == 0
        again = CliRunner().invoke(
            cli, ["diff", "current", "current", "marts.items", "--out", str(tmp_path / "d.csv")]
        )
        assert "nothing overwrites it" in str(again.exception)
    finally:
        os.umask(before)


def test_status_names_what_is_left_of_a_source_that_there_is_no_more(shop):
    (shop.lake / "gone" / "gone_date=2024-03-01").mkdir(parents=True)
    assert (
        "gone: no contract has this source any more, but its data is there. To delete it: etl drop gone"
        in answer("status")
    )
    assert json.loads(answer("status", "--json"))["removed"] == ["gone"]
