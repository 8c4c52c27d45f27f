"""`etl sniff --watch-out`: what is odd about a file, in words."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from etl.cli.main import cli
from etl.operations.sniffing import watch_out


def odd(folder: Path, content: str | bytes, name: str = "sales.csv") -> str:
    path = folder / name
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return " ".join(watch_out(path))


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"id,a\r\n1,x\n2,y\r\n", "line ends are mixed: 2 times CR LF, 1 times LF"),
        ("id,a\n1,é\n".encode() + b"2,\xe9\n", "in two encodings: 1 of 2 lines beyond ASCII are not UTF-8"),
        (b"id,a\n1,x\n\xef\xbb\xbfid,a\n2,y\n", "A byte order mark stands within it 1 time"),
        ("id,a\n1,x\n2,y", "Its last line has no end"),
        ("day,n\n2024-03-01,1\n2024-03-02,2\nTotal,3\n", "A footer of 1 line seems to stand at the end"),
        ("id,zip\n1,12345\n2,99999\n", "'zip' is a number that may be an id"),
        ("id,day\n1,03/04/2024\n2,05/06/2024\n", "may be '%d/%m/%Y'"),
        ("id,created\n1,1709287200\n2,1709290800\n", "'created' may be seconds since 1970"),
        ("id,day\n1,45352\n2,45353\n", "'day' may be days as a spreadsheet counts them"),
        ("id,a,b\n1,x,\n2,y,\n3,z,\n", "'b' is always empty"),
        ("id,a\n1, x\n2,y \n3,z\n", "'a' has blanks around 2 values"),
        ("id,n\n" + "".join(f"{n},{n % 7}\n" for n in range(30)) + "99,many\n", "all but 1 of 31 values are int"),
        ("id,a\n1,x\n2\n3,z\n", "1 record would go to quarantine"),
        ("id,a\n1,x\nid,a\n2,y\n", "The header is there again"),
    ],
)
def test_what_is_odd_is_said(tmp_path: Path, content: str | bytes, said: str) -> None:
    assert said in odd(tmp_path, content)


def test_nothing_is_said_of_a_file_that_is_not_odd(tmp_path: Path) -> None:
    assert odd(tmp_path, "id,name\n1,Ann\n2,Bob\n") == ""


def test_the_command_lists_it(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(b"id,a\r\n1,x\n2,y\r\n")
    (tmp_path / "b.csv").write_text("id,name\n1,Ann\n2,Bob\n")
    found = CliRunner().invoke(cli, ["sniff", str(tmp_path / "a.csv"), "--watch-out"])
    assert found.output == "Its line ends are mixed: 2 times CR LF, 1 times LF.\n"
    assert (
        CliRunner().invoke(cli, ["sniff", str(tmp_path / "b.csv"), "--watch-out"]).output
        == "Nothing odd was seen.\n"
    )
