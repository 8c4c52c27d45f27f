"""Where the project is found, and what its [etl] may say."""

import subprocess
import sys
from pathlib import Path

import pytest

from etl.errors import ConfigError
from etl.project import Project, environments, find_root, load_project
from etl.project.settings import Settings
from tests.support import projects


def folder(path: Path, text: str = "[etl]\n") -> Path:
    """Make a folder with a luigi.cfg."""
    path.mkdir(parents=True, exist_ok=True)
    (path / "luigi.cfg").write_text(text)
    return path


def test_the_root_is_the_nearest_parent_whose_luigi_cfg_has_the_section(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = folder(tmp_path / "project")
    inner = folder(root / "sql" / "marts", "[core]\n")

    monkeypatch.chdir(inner)

    assert find_root() == root


def test_luigi_config_path_goes_before_the_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    other = folder(tmp_path / "other")
    monkeypatch.chdir(folder(tmp_path / "here"))

    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(other / "luigi.cfg"))

    assert find_root() == other


def test_etl_project_goes_before_everything(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second = folder(tmp_path / "first"), folder(tmp_path / "second")
    monkeypatch.chdir(tmp_path)

    monkeypatch.setenv("LUIGI_CONFIG_PATH", str(second / "luigi.cfg"))
    monkeypatch.setenv("ETL_PROJECT", "first")

    assert find_root() == first


@pytest.mark.parametrize("variable", ["ETL_PROJECT", "LUIGI_CONFIG_PATH"])
def test_a_variable_that_points_nowhere_is_an_error_and_not_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    monkeypatch.chdir(folder(tmp_path / "here"))

    monkeypatch.setenv(variable, str(tmp_path / "nowhere" / "luigi.cfg"))

    with pytest.raises(ConfigError, match=f"{variable} points to .*nowhere.*no luigi.cfg with an "):
        find_root()


def test_without_a_project_the_error_says_what_to_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)

    with pytest.raises(ConfigError, match=r"No project was found: .*ETL_PROJECT.*`etl init DIR`"):
        find_root()


def test_all_paths_follow_from_the_root_and_the_data_folder(tmp_path: Path) -> None:
    project = load_project(folder(tmp_path, "[etl]\ndata = /mnt/data\nsql = models\n"))

    assert project.sql == tmp_path / "models"
    assert project.contracts == tmp_path / "contracts"
    data = Path("/mnt/data")
    assert (project.raw, project.lake, project.quarantine) == (data / "raw", data / "lake", data / "quarantine")
    assert project.build == data / "warehouse" / "build.duckdb"
    assert project.generations == data / "warehouse" / "generations"
    assert project.warehouse == data / "warehouse.duckdb"
    assert project.ledger == data / "ledger.sqlite"


def test_what_is_not_said_has_its_default_and_other_sections_are_luigis(tmp_path: Path) -> None:
    project = load_project(folder(tmp_path, "[etl]\nthreads = 2\n[core]\nlog_level = ${LEVEL} %(x)s\n"))

    assert project.settings == Settings(threads=2)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("contract = x", r"\[etl\] has no key contract. Did you mean contracts\?"),
        ("zzz = x", r"\[etl\] has no key zzz. Known keys: contracts, sql, data, "),
        ("threads = two", r"\[etl\] threads = two is not a whole number"),
        ("keep_generations = -1", r"\[etl\] keep_generations = -1 is not a whole number"),
        ("keep_generations = 0", r"\[etl\] keep_generations must be at least 1"),
        ("timezone = Mars/Olympus", r"\[etl\] timezone = Mars/Olympus is not an IANA time zone"),
        ("timezone = ../x", r"\[etl\] timezone = \.\./x is not an IANA time zone"),
    ],
)
def test_a_wrong_setting_is_named_with_its_file(tmp_path: Path, line: str, message: str) -> None:
    with pytest.raises(ConfigError, match=rf"^{tmp_path}/luigi\.cfg:? {message}"):
        load_project(folder(tmp_path, f"[etl]\n{line}\n"))


def test_the_batch_date_is_that_of_the_projects_time_zone(tmp_path: Path) -> None:
    east = load_project(folder(tmp_path / "east", "[etl]\ntimezone = Pacific/Kiritimati\n"))
    west = load_project(folder(tmp_path / "west", "[etl]\ntimezone = Pacific/Pago_Pago\n"))

    assert (east.today() - west.today()).days >= 1  # 25 hours lie between them


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("late minutes = 15", "late minutes is not a name for a variable"),
        ("batch_date = 2024-01-01", "batch_date is set by etl for audits"),
    ],
)
def test_a_variable_has_a_name_of_its_own(tmp_path, line, message):
    (tmp_path / "luigi.cfg").write_text(f"[etl]\n[etl.vars]\n{line}\n")

    with pytest.raises(ConfigError, match=message):
        load_project(tmp_path)


def test_variables_are_read_as_text(tmp_path):
    (tmp_path / "luigi.cfg").write_text("[etl]\n[etl.vars]\nlate_minutes = 15\n")

    assert load_project(tmp_path).variables == {"late_minutes": "15"}


ENVIRONMENTS = (
    "[etl]\ntimezone = America/New_York\nkeep_generations = 7\n[etl.env.staging]\nkeep_generations = 2\n"
)


def environment(root: Path, name: str, text: str = ENVIRONMENTS) -> Project:
    (root / "luigi.cfg").write_text(text)
    return load_project(root, name)


def test_an_environment_has_its_own_data_and_the_same_deliveries(tmp_path):
    staging = environment(tmp_path, "staging")
    assert staging.environment == staging.environment_name == "staging"
    assert staging.data == tmp_path / "data" / "environments" / "staging"
    assert staging.raw == tmp_path / "data" / "raw"
    assert (staging.settings.keep_generations, staging.settings.timezone) == (2, "America/New_York")


def test_the_environment_that_etl_describes_has_a_name_too(tmp_path):
    text = ENVIRONMENTS.replace("[etl]\n", "[etl]\nenvironment = live\n")
    assert environment(tmp_path, "live", text) == environment(tmp_path, "", text)
    assert environment(tmp_path, "", text).environment_name == "live"


def test_an_environment_is_known_by_its_identity_in_other_processes(tmp_path, monkeypatch):
    staging, prod = environment(tmp_path, "staging"), environment(tmp_path, "prod")
    assert load_project(staging.identity) == staging != load_project(prod.identity) == prod
    assert prod.identity == str(tmp_path)
    monkeypatch.setenv("ETL_ENV", "staging")
    assert load_project(tmp_path) == staging


def test_variables_of_an_environment_go_before_those_of_all(tmp_path):
    text = ENVIRONMENTS + "[etl.vars]\na = 1\nb = 2\n[etl.env.staging.vars]\nb = 3\n"
    assert environment(tmp_path, "staging", text).variables == {"a": "1", "b": "3"}
    assert environment(tmp_path, "", text).variables == {"a": "1", "b": "2"}


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        (
            "stagin",
            ENVIRONMENTS,
            r"There is no environment stagin. Did you mean staging\?",
        ),
        ("../x", ENVIRONMENTS, "'../x' is not a name for an environment"),
        ("staging", ENVIRONMENTS + "environment = x\n", r"\[etl.env.staging\] environment: this key belongs"),
        ("staging", ENVIRONMENTS + "keep_generation = 1\n", r"\[etl.env.staging\] has no key keep_generation"),
    ],
)
def test_a_wrong_environment_says_what_is_wrong(tmp_path, name, text, message):
    with pytest.raises(ConfigError, match=message):
        environment(tmp_path, name, text)


def test_a_section_of_the_environment_that_etl_describes_is_for_it_alone(tmp_path):
    text = ENVIRONMENTS + "[etl.env.prod]\napprovals = 2\ndata = live\n[etl.env.prod.vars]\nb = 3\n"
    prod, staging = environment(tmp_path, "", text), environment(tmp_path, "staging", text)
    assert (prod.settings.approvals, staging.settings.approvals) == (2, 0)
    assert (prod.data, prod.raw) == (tmp_path / "live", tmp_path / "data" / "raw") == (prod.data, staging.raw)
    assert (prod.variables, staging.variables) == ({"b": "3"}, {})


@pytest.mark.parametrize("section", ["[etl.env.test]", "[etl.env.test.vars]\na = 1"])
def test_an_environment_whose_section_says_little_is_there_all_the_same(tmp_path, section):
    test = environment(tmp_path, "test", f"{ENVIRONMENTS}{section}\n")
    assert test.data == tmp_path / "data" / "environments" / "test"
    assert environments(test) == ["prod", "staging", "test"]


@pytest.mark.parametrize(
    ("data", "whose"),
    [
        ("data", "that of prod"),
        ("./sql/../data", "that of prod"),
        (".", "that of prod"),
        ("data/environments/staging", "that of staging"),
        ("data/environments", "that of staging"),
    ],
)
def test_an_environment_that_would_hold_the_data_of_another_is_refused(tmp_path, data, whose):
    (tmp_path / "sql").mkdir()
    text = f"{ENVIRONMENTS}[etl.env.test]\ndata = {data}\n"
    with pytest.raises(ConfigError, match=rf"\[etl.env.test\] data = .*: {whose} is in there"):
        environment(tmp_path, "test", text)
    assert environment(tmp_path, "", text).data == tmp_path / "data"


def test_a_root_may_be_called_what_separates_it_from_its_environment(tmp_path):
    root = folder(tmp_path / "a env=b", ENVIRONMENTS)
    assert load_project(root).root == root
    staging = load_project(root, "staging")
    assert load_project(staging.identity) == staging


BROKEN = {
    b"[etl]\nfoo\n": ":2: foo is neither a .section. nor a key = value",
    b"\xef\xbb\xbf[etl]\n": ":1: the file begins with a byte order mark",
    b"[etl]\nraw = \xff\n": ":2: a byte there is not UTF-8",
    b"[etl]\nraw = a\nraw = b\n": ":3: the key raw appears twice in .etl.",
    b"[etl]\n[etl]\n": ":2: the section .etl. appears twice",
    b"raw = a\n": ":1: the file does not begin with a .section.",
}


@pytest.mark.parametrize(("text", "message"), BROKEN.items())
def test_a_broken_luigi_cfg_is_named_with_its_line(tmp_path: Path, text: bytes, message: str) -> None:
    (tmp_path / "luigi.cfg").write_bytes(text)
    with pytest.raises(ConfigError, match=message):
        load_project(tmp_path)


@pytest.mark.parametrize("command", [["etl", "status"], ["etl", "run"], ["luigi", "--module", "etl", "Nightly"]])
def test_a_broken_luigi_cfg_ends_with_the_code_of_a_wrong_project(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "luigi.cfg").write_bytes(b"[etl]\nfoo\n")
    # Luigi itself reads the file of the folder that it is begun in, before anybody could say what is wrong with it
    cwd = tmp_path if command[0] == "etl" else Path("/")
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=cwd, env=projects.environment(ETL_PROJECT=str(tmp_path)),
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 35, done.stdout
    assert f"{tmp_path}/luigi.cfg:2: foo is neither" in done.stdout
    assert "Traceback" not in done.stdout
