"""The exit code tells cron how the night was, whatever luigi.cfg says or whether there is one."""

import shutil

import pytest

FOREIGN = """
[retcode]
already_running = 0
missing_data = 0
not_run = 0
task_failed = 0
scheduling_error = 0
unhandled_exception = 0
[worker]
check_complete_on_run = false
keep_alive = true
[core]
no_lock = false
parallel_scheduling = true
"""


@pytest.fixture
def foreign(tmp_path):
    """A folder whose luigi.cfg wants other things than we do."""
    folder = tmp_path / "foreign"
    folder.mkdir()
    (folder / "luigi.cfg").write_text(f"{FOREIGN}local_scheduler = false\n")
    return folder


def test_a_green_night_is_0_from_any_folder(project, tmp_path, foreign) -> None:
    inner = project.raw / "orders"
    for cwd, env in [
        (inner, {}),
        (tmp_path, {"ETL_PROJECT": str(project.root)}),
        (tmp_path, {"LUIGI_CONFIG_PATH": str(project.root / "luigi.cfg")}),
        (foreign, {"ETL_PROJECT": str(project.root)}),
        (foreign, {"LUIGI_CONFIG_PATH": str(project.root / "luigi.cfg")}),
    ]:
        night = project.published(cwd=cwd, is_cold=True, **env)
        assert str(project.warehouse) in night.output
    assert [path.name for path in foreign.iterdir()] == ["luigi.cfg"]


@pytest.mark.parametrize("is_foreign", [False, True])
def test_a_failed_night_is_30_and_soon_over(project, foreign, is_foreign) -> None:
    project.deliver("items.csv", "nothing,known\n1,2\n")

    night = project.nightly(cwd=foreign if is_foreign else None, ETL_PROJECT=str(project.root))

    assert night.exit_code == 30, str(night)
    assert night.seconds < 30


def test_missing_data_is_20_in_a_foreign_folder_too(project, foreign) -> None:
    project.edit("contracts/orders.py", 'files="sites.csv"', 'files="sites.csv", required=True')
    (project.raw / "sites.csv").unlink()

    night = project.nightly(cwd=foreign, ETL_PROJECT=str(project.root))

    assert night.exit_code == 20, str(night)
    assert night.seconds < 30


def test_luigis_own_settings_in_the_projects_file_do_not_turn_a_failed_night_green(project) -> None:
    with (project.root / "luigi.cfg").open("a") as file:
        file.write(FOREIGN)
    project.deliver("items.csv", "nothing,known\n1,2\n")

    assert project.nightly().exit_code == 30


@pytest.mark.parametrize("code", [0, 30])
def test_with_several_workers_the_codes_are_the_same(project, code) -> None:
    if code:
        project.deliver("items.csv", "nothing,known\n1,2\n")

    assert project.nightly("--workers", "3").exit_code == code


def test_an_unknown_task_is_1_and_an_unknown_option_2_as_luigi_says(project) -> None:
    unknown_task, unknown_option = project.run("Nigthly"), project.run("Nightly", "--dates", "2018-05-27")

    assert (unknown_task.exit_code, unknown_option.exit_code) == (1, 2)
    assert "No task Nigthly. Did you mean:\nNightly" in unknown_task.output


def wrong(project, **options) -> str:
    """Run a night that cannot even begin, and return what it said."""
    night = project.nightly(**options)
    assert night.exit_code == 35, str(night)
    assert "Traceback" not in night.output, str(night)
    return night.output


def test_a_broken_sql_file_is_35_with_file_and_line(shop) -> None:
    generation = shop.generation
    shop.edit("sql/staging/orders.sql", "    order_date,\n", "    order_date,,\n")

    said = wrong(shop)

    assert "sql/staging/orders.sql:8: " in said
    assert shop.generation == generation


@pytest.mark.parametrize(
    ("sql", "problem"),
    [
        ("select 1 as one; select 2 as two", "sql/marts/new.sql:1: the file has 2 statements"),
        ("-- Grain: one.\ndelete from marts.orders", "is not a SELECT"),
        (
            "-- Grain: one.\nselect order_nb\nfrom marts.order",
            "sql/marts/new.sql:3: there is no table marts.order. ",
        ),
        ("-- Grain: one.\nselect *\nfrom read_csv('x.csv')", "sql/marts/new.sql:3: read_csv() hides"),
        ("from marts.new", "models read each other in a circle: marts.new -> marts.new"),
        ("select current_date as day", "sql/marts/new.sql:1: current_date gives another result each night"),
    ],
)
def test_a_wrong_model_is_35_with_file_and_line(project, sql, problem) -> None:
    (project.root / "sql" / "marts" / "new.sql").write_text(f"{sql}\n")

    assert problem in wrong(project)


def test_a_broken_contract_is_35_with_file_and_line(project) -> None:
    project.edit("contracts/orders.py", "item: str = pa.Field(unique", "item: str = pa.Filed(unique")

    said = wrong(project)

    assert "contracts/orders.py:23: AttributeError" in said


def test_a_contract_that_is_no_python_is_35_with_file_and_line(project) -> None:
    (project.root / "contracts" / "new.py").write_text("import os\n\nclass New(:\n")

    assert "contracts/new.py:3: SyntaxError" in wrong(project)


def test_an_unknown_key_is_35_with_the_one_that_was_meant(project) -> None:
    project.edit("luigi.cfg", "keep_generations", "keep_generation")

    assert "[etl] has no key keep_generation. Did you mean keep_generations?" in wrong(project)


def test_a_setting_that_duckdb_refuses_is_named(project) -> None:
    project.edit("luigi.cfg", "keep_generations = 3", "memory_limit = a lot")

    night = project.nightly()

    assert night.exit_code in (30, 35), str(night)
    assert "DuckDB refuses a setting of [etl]" in night.output
    assert "Traceback" not in night.output


def test_a_folder_that_is_no_project_is_35_with_what_to_do(project, tmp_path) -> None:
    said = wrong(project, cwd=tmp_path)

    assert "No project was found" in said
    assert "set ETL_PROJECT" in said


def test_a_wrong_etl_project_is_35_and_named(project, tmp_path) -> None:
    said = wrong(project, ETL_PROJECT=str(tmp_path / "nowhere"))

    assert f"ETL_PROJECT points to {tmp_path / 'nowhere'}" in said


def test_a_backfill_of_an_unknown_source_is_35_with_the_known_ones(project) -> None:
    night = project.run("Backfill", "--start", "2018-05-24", "--stop", "2018-05-25", "--source", "order")

    assert night.exit_code == 35, str(night)
    assert "There is no source order. Did you mean orders?" in night.output
    assert "Traceback" not in night.output


def test_a_date_that_is_none_is_2_and_a_message(project) -> None:
    night = project.nightly(date="2018-05-32")

    assert night.exit_code == 2, str(night)
    assert "'2018-05-32' is not a date. Write it as YYYY-MM-DD, such as 2018-05-24." in night.output
    assert "Traceback" not in night.output


@pytest.mark.parametrize("dates", ["24.05.2018", "2018-05-24,", "2018-05-24 2018-05-25", "yesterday"])
def test_dates_that_are_none_are_2_and_a_message(project, dates) -> None:
    night = project.run("LakePartition", "--source", "orders", "--dates", dates)

    assert night.exit_code == 2, str(night)
    assert f"{dates.split(',')[-1]!r} is not a date. Write it as YYYY-MM-DD" in night.output
    assert "Traceback" not in night.output


def test_withdrawing_from_an_unknown_source_is_35_with_the_known_ones(project) -> None:
    night = project.nightly("--allow-withdrawn", "order")

    assert night.exit_code == 35, str(night)
    assert "There is no source order. Did you mean orders" in night.output


def test_data_that_is_a_file_is_35_and_named(project) -> None:
    project.edit("luigi.cfg", "[etl]", "[etl]\ndata = luigi.cfg")

    night = project.nightly()

    assert night.exit_code == 35, str(night)
    assert "luigi.cfg is a file, not a folder" in night.output
    assert "Traceback" not in night.output


def test_without_a_data_folder_the_night_is_green_and_empty(project) -> None:
    shutil.rmtree(project.data)

    project.published()

    assert project.sql("select count(*) from marts.orders") == [(0,)]
