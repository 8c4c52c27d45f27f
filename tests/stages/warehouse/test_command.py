"""Commands: a program is given Parquet files and leaves one, in the same graph as the SQL."""

import json
import os
from hashlib import sha256
from pathlib import Path

import duckdb
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from etl.errors import ModelError
from etl.models import Context, Given, Models, Promised, models_key, read_models
from tests.stages.warehouse.small import Warehouse
from tests.support.thorough import examples

pytestmark = pytest.mark.sampled

RAW = [Given("raw.sales", (("day", "DATE"), ("price", "BIGINT")), "day")]
COLUMNS = (("day", "DATE"), ("price", "BIGINT"))
CONTEXT = Context({"factor": "3"}, {"marts.x": Promised(COLUMNS)})
COPY = ["cp", "{inputs}/raw.sales.parquet", "{output}"]
SCRIPT = ["sh", "{sql}/marts/run.sh", "{inputs}/raw.sales.parquet", "{output}", "{factor}"]
#: What a script does as the table asks for it.
MAKES = 'cp "$1" "$2"\n'
DAY = "2024-03-01"


def text(command: list[str], more: str = "") -> str:
    return f'READS = ["raw.sales"]\nCOMMAND = {command}\nVERSION = "1"\n{more}'


def warehouse(root: Path, code: str = text(COPY), script: str = MAKES, context: Context = CONTEXT) -> Warehouse:
    """A warehouse in a file, with a command, a script that it may run, and a table of what it makes."""
    (root / "sql/marts").mkdir(parents=True)
    (root / "sql/marts/run.sh").write_text(script)
    total = "select sum(price) as price from marts.x"
    made = Warehouse(
        root, RAW, {"marts/x.py": code, "marts.y": total}, context=context, file=root / "build.duckdb"
    )
    made.deliver("raw.sales", DAY, [(DAY, 1), (DAY, 2)])
    return made


def scripted(root: Path, script: str, more: str = "") -> Warehouse:
    return warehouse(root, text(SCRIPT, f'VARIABLES = ["factor"]\n{more}'), script)


def problem(made: Warehouse) -> str:
    """Return what is said of a night in which the command fails."""
    _, problems = made.tried()
    return problems[0]


def test_what_the_program_writes_becomes_the_table(tmp_path: Path) -> None:
    made = warehouse(tmp_path)

    assert made.built() == ["marts.x", "marts.y"]
    assert made.rows("from marts.x") == made.rows("from raw.sales")
    assert made.rows("from marts.y") == [(3,)]
    assert made.built() == []
    made.con.close()


def test_its_files_stay_with_their_hashes(tmp_path: Path) -> None:
    made = scripted(tmp_path, f"{MAKES}echo done; echo $5 but >&2")
    made.build()
    made.con.close()

    folder = tmp_path / "commands/marts.x"
    facts = json.loads((folder / "command.json").read_text())
    given = folder / "inputs/raw.sales.parquet"
    assert facts["inputs"]["raw.sales"]["sha256"] == sha256(given.read_bytes()).hexdigest()
    assert facts["output"]["sha256"] == sha256((folder / "output.parquet").read_bytes()).hexdigest()
    assert (facts["inputs"]["raw.sales"]["rows"], facts["output"]["rows"], facts["exit_code"]) == (2, 2, 0)
    script = str(tmp_path / "sql/marts/run.sh")
    assert facts["command"] == ["sh", script, str(given), str(folder / "output.parquet"), "3"]
    assert (folder / "stdout.txt").read_text() == "done\n"
    assert os.listdir(tmp_path / "commands") == ["marts.x"]
    assert folder.stat().st_mode & 0o077 == 0


@pytest.mark.parametrize("changed", ["script", "version", "variable", "input"])
def test_it_runs_again_when_what_it_is_made_of_changes(tmp_path: Path, changed: str) -> None:
    made = scripted(tmp_path, MAKES)
    made.build()
    key = models_key(tmp_path / "sql", RAW, made.context)

    if changed == "script":
        (tmp_path / "sql/marts/run.sh").write_text(f"{MAKES}# better\n")
    if changed == "variable":
        made.context = Context({"factor": "4"}, CONTEXT.promised)
    if changed == "input":
        made.deliver("raw.sales", DAY, [(DAY, 1), (DAY, 5)])
    code = (tmp_path / "sql/marts/x.py").read_text()
    made.read({"marts/x.py": code.replace('"1"', '"2"') if changed == "version" else code})

    assert (models_key(tmp_path / "sql", RAW, made.context) == key) == (changed == "input")
    assert "marts.x" in made.built()
    made.con.close()


@pytest.mark.parametrize(
    ("script", "said"),
    [
        ("echo first; echo last >&2; exit 3", "its command ended with exit code 3: sh {sql}/marts/run.sh "),
        ("kill -KILL $$", "its command was ended by SIGKILL: sh "),
        ("true", "its command ended well, and wrote no file output.parquet: sh "),
        ('ln -s "$1" "$2"', "its command ended well, and wrote no file output.parquet: sh "),
        ('echo PAR1 > "$2"', "output.parquet, which its command wrote, is not taken: "),
    ],
)
def test_a_program_that_fails_is_explained(tmp_path: Path, script: str, said: str) -> None:
    made = scripted(tmp_path, script)

    found = problem(made)

    assert found.startswith(f"marts.x (sql/marts/x.py) could not be built: {said}")
    assert ("    last\n" in found) == ("last" in script)
    assert (tmp_path / "commands/marts.x/inputs/raw.sales.parquet").exists()
    (tmp_path / "sql/marts/run.sh").write_text(MAKES)
    made.read({})
    assert made.built() == ["marts.x", "marts.y"]
    made.con.close()


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("select date '2024-03-01' as day", "its result lacks price: its contract says day, price"),
        ("select date '2024-03-01' as day, 1 as price, 2 as more", "its result has besides more"),
        ("select date '2024-03-01' as day, 1.5 as price", "1.5"),
    ],
)
def test_the_contract_judges_what_it_writes(tmp_path: Path, query: str, said: str) -> None:
    with duckdb.connect() as con:
        con.execute(f"copy ({query}) to '{tmp_path}/made.parquet' (format parquet)")
    made = scripted(tmp_path, f'cp {tmp_path}/made.parquet "$2"')

    assert said in problem(made)
    made.con.close()


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    made = warehouse(tmp_path, text(["no-such-program", "{output}"]))

    assert "could not be started: no-such-program {output}: No such file or directory" in problem(made)
    made.con.close()


def test_it_is_given_the_variables_that_it_names_and_no_secret_is_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SCORE_WORD", "open sesame")
    monkeypatch.setenv("OTHER_TOKEN", "not for it")
    made = scripted(tmp_path, "env >&2; exit 1", 'ENVIRONMENT = ["SCORE_WORD"]\n')

    found = problem(made)

    assert "SCORE_WORD=***" in found and "TZ=" in found
    assert "OTHER_TOKEN" not in found
    monkeypatch.delenv("SCORE_WORD")
    assert "ENVIRONMENT names SCORE_WORD, which is not set" in problem(made)
    made.con.close()


def test_the_same_rows_are_the_same_bytes(tmp_path: Path) -> None:
    rows = [(DAY, number) for number in (5, 2, None, 9)]
    hashes = set()
    for number, order in enumerate((rows, rows[::-1])):
        made = warehouse(tmp_path / str(number))
        made.deliver("raw.sales", DAY, order)
        made.build()
        made.con.close()
        given = tmp_path / str(number) / "commands/marts.x/inputs/raw.sales.parquet"
        hashes.add(sha256(given.read_bytes()).hexdigest())
    assert len(hashes) == 1


def test_of_a_table_that_is_dropped_no_file_stays(tmp_path: Path) -> None:
    made = warehouse(tmp_path)
    made.build()
    (tmp_path / "sql/marts/x.py").unlink()
    made.read({"marts.x": "-- materialized: view\nfrom raw.sales"})
    made.build()
    made.con.close()

    assert os.listdir(tmp_path / "commands") == []


def test_in_memory_no_file_stays(tmp_path: Path) -> None:
    made = Warehouse(tmp_path, RAW, {"marts/x.py": text(COPY)}, context=CONTEXT)
    made.deliver("raw.sales", DAY, [(DAY, 1)])
    made.build()

    assert [path.name for path in tmp_path.iterdir()] == ["sql"]


#: A type, and a few values of it as SQL.
VALUES = {
    "BIGINT": ("1", "-9223372036854775808", "null"),
    "HUGEINT": ("170141183460469231731687303715884105727", "7", "null"),
    "DOUBLE": ("0.1", "'nan'", "'-inf'", "null"),
    "DECIMAL(38,10)": ("1.0000000001", "null"),
    "VARCHAR": ("''", "'a\nb'", "'ä'", "null"),
    "BLOB": ("'\\x00\\xff'::blob", "null"),
    "BOOLEAN": ("true", "null"),
    "DATE": ("date '0001-01-01'", "date '9999-12-31'", "null"),
    "TIMESTAMP": ("timestamp '2024-03-31 02:30:00.123456'", "null"),
    "TIMESTAMP WITH TIME ZONE": ("timestamptz '2024-03-31 02:30:00.123456+02'", "null"),
    "TIME": ("time '23:59:59.999999'", "null"),
    "INTERVAL": ("interval '1 month 3 days 0.000001 seconds'", "null"),
    "UUID": ("'7f9d4a0e-0000-4000-8000-000000000000'", "null"),
    "INTEGER[]": ("[1, null]", "[]", "null"),
    "STRUCT(a INTEGER, b VARCHAR)": ("{'a': 1, 'b': null}", "null"),
    "MAP(VARCHAR, INTEGER)": ("map {'a': 1}", "null"),
}


@given(st.data())
@settings(max_examples=examples(12), deadline=None)
def test_values_of_every_type_go_through_a_program_as_they_are(
    tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    types = data.draw(st.lists(st.sampled_from(sorted(VALUES)), min_size=1, max_size=4))
    columns = tuple((f"c{number}", type) for number, type in enumerate(types))
    rows = st.lists(st.tuples(*(st.sampled_from(VALUES[type]) for type in types)), max_size=4)
    context = Context(promised={"marts.x": Promised(columns)})
    root = tmp_path_factory.mktemp("types")
    made = Warehouse(root, [Given("raw.sales", columns)], {"marts/x.py": text(COPY)}, context=context)
    for row in data.draw(rows):
        made.con.execute(f"insert into raw.sales values ({', '.join(row)})")
    made.build()

    difference = "(from marts.x except all from raw.sales) union all (from raw.sales except all from marts.x)"
    assert made.rows(difference) == []
    made.con.close()


def read(folder: Path, code: str) -> Models:
    (folder / "sql/marts").mkdir(parents=True, exist_ok=True)
    (folder / "sql/marts/x.py").write_text(code)
    return read_models(folder / "sql", RAW, CONTEXT)


DIGEST = f"shop/score@sha256:{'0123456789abcdef' * 4}"
RUN = ["podman", "run", "--rm", "-v", "{folder}:/work"]


@pytest.mark.parametrize(
    ("code", "said"),
    [
        (text([]), "x.py:2: COMMAND names no program"),
        ('READS = []\nCOMMAND = "cp a b"\n', "x.py:2: COMMAND is not a list of texts in quotes, word by word"),
        (text(["cp", "{input}", "{output}"]), "COMMAND: nothing stands for {input}. Did you mean inputs?"),
        (text(["cp", "{factor}", "{output}"]), "COMMAND: nothing stands for {factor}."),
        (text(["cp", "a", "b"]), "COMMAND does not say {output}"),
        (text(["cp", "{sql}/marts/none.R", "{output}"]), "COMMAND: there is no sql/marts/none.R. Add it"),
        (text(["cp", "{sql}/../luigi.cfg", "{output}"]), "COMMAND: there is no sql/../luigi.cfg"),
        (text(COPY).replace('VERSION = "1"', ""), "COMMAND: cp is not a file of the project, .* by VERSION = "),
        (text(COPY).replace('"1"', "1"), "x.py:3: VERSION is not a text in quotes"),
        (text(COPY, "ENVIROMENT = []\n"), "x.py:4: a command says no ENVIROMENT. Did you mean ENVIRONMENT?"),
        (text(COPY, "ENVIRONMENT = ['A=b']\n"), "x.py:4: ENVIRONMENT: 'A=b' is not the name of a variable"),
        (text(COPY, "FILES = ['/etc/passwd']\n"), "x.py:4: FILES: /etc/passwd does not stand in sql/"),
        (text(COPY, "print(1)\n"), "x.py:4: the file of a command is not run"),
        (text(COPY, "def model(inputs, ctx): ...\n"), "x.py:4: the file has a function `model` and a COMMAND"),
        (text([*RUN, "shop/score:1.2"]), "COMMAND: the image has no digest, .* `podman images --digests`"),
        (text(["sudo", *RUN, "shop/score"]), "COMMAND: the image has no digest"),
    ],
)
def test_what_cannot_be_a_command_is_refused(tmp_path: Path, code: str, said: str) -> None:
    with pytest.raises(ModelError, match=said.replace("{", r"\{").replace("}", r"\}")):
        read(tmp_path, code)


@pytest.mark.parametrize("image", [DIGEST, DIGEST.partition("@")[2]])
def test_a_container_is_named_by_its_digest(tmp_path: Path, image: str) -> None:
    before = read(tmp_path, text([*RUN, image]).replace("VERSION", "# VERSION")).models["marts.x"].normal
    other = image.replace("0123", "3210")
    after = read(tmp_path, text([*RUN, other]).replace("VERSION", "# VERSION")).models["marts.x"].normal

    assert before != after


def test_a_container_finds_its_inputs_in_the_folder_that_it_is_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in for podman does with the folder what a container does that has it as /work."""
    stand_in = tmp_path / "bin/podman"
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\ncd "${4%:/work}" && cp inputs/raw.sales.parquet output.parquet\n')
    stand_in.chmod(0o755)
    monkeypatch.setenv("PATH", f"{stand_in.parent}:{os.environ['PATH']}")
    made = warehouse(tmp_path / "shop", text([*RUN, DIGEST]))

    assert made.built() == ["marts.x", "marts.y"]
    assert made.rows("from marts.y") == [(3,)]
    made.con.close()


def test_its_other_files_are_part_of_what_it_is(tmp_path: Path) -> None:
    code = text(COPY, 'FILES = ["score"]\n')
    (tmp_path / "sql/score").mkdir(parents=True)
    (tmp_path / "sql/score/weights.json").write_text("[1]")
    before = read(tmp_path, code).models["marts.x"].normal
    (tmp_path / "sql/score/weights.json").write_text("[2]")

    assert read(tmp_path, code).models["marts.x"].normal != before


def test_it_knows_the_python_of_etl(tmp_path: Path) -> None:
    program = "import shutil, sys; shutil.copy(sys.argv[1], sys.argv[2])"
    code = text(["{python}", "-c", program, *COPY[1:]]).replace("VERSION", "# VERSION")
    made = warehouse(tmp_path, code)

    assert made.built() == ["marts.x", "marts.y"]
    made.con.close()


def test_a_name_with_a_quote_is_a_file(tmp_path: Path) -> None:
    made = warehouse(tmp_path / "o'x")

    assert made.built() == ["marts.x", "marts.y"]
    made.con.close()
