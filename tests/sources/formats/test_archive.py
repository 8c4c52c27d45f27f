"""One file of an archive of several: named, by a pattern, or the only one that is not rubbish."""

import gzip
import io
import tarfile
import zipfile
from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import FORMATS, format_class, format_from, format_to
from etl.sources.formats.csv import Csv
from etl.sources.formats.fixed_width import FixedWidth
from etl.sources.formats.json import Json, JsonLines
from etl.sources.formats.plain import TextFile, plain
from etl.sources.formats.xml import Xml
from tests.sources.formats.conftest import taken_apart

RUBBISH = ["__MACOSX/._stops.txt", "._stops.txt", ".DS_Store", "data/.DS_Store", "Thumbs.db", "desktop.ini"]
STOPS = "stop_id,name\n1,Nord\n2,Süd\n"
TIMES = "trip_id,at\n7,08:00\n"


def zipped(members):
    target = io.BytesIO()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in members:
            archive.writestr(name, text)
    return target.getvalue()


def tarred(members):
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, text in members:
            info = tarfile.TarInfo(name)
            info.size = len(text.encode())
            archive.addfile(info, io.BytesIO(text.encode()))
    return target.getvalue()


PACKED = {
    ".zip": zipped,
    ".tar": tarred,
    ".tar.gz": lambda members: gzip.compress(tarred(members)),
    ".tgz": lambda members: gzip.compress(tarred(members)),
}


@pytest.fixture(params=PACKED)
def read(request, tmp_path):
    """Pack files, and return the text of the one that is named."""

    def read(members, member=""):
        path = tmp_path / f"feed{request.param}"
        path.write_bytes(PACKED[request.param](members))
        return plain(path, "utf-8", "", tmp_path / "scratch", member=member).read_text()

    return read


def test_two_sources_take_a_file_each_of_one_archive(tmp_path):
    path = tmp_path / "2024-03-31.zip"
    path.write_bytes(zipped([("stop_times.txt", TIMES), ("stops.txt", STOPS)]))
    times = Csv(member="stop_times.txt").open(path, [], tmp_path / "times")
    stops = Csv(member="stops.txt").open(path, [], tmp_path / "stops")
    assert taken_apart(times).rows == [("7", "08:00")]
    assert taken_apart(stops).rows == [("1", "Nord"), ("2", "Süd")]


@pytest.mark.parametrize("member", ["stops.txt", "stop?.txt", "s*s.txt", "feed/stops.txt", "feed/*s.txt"])
def test_a_file_is_named_with_or_without_its_folder(read, member):
    assert read([("feed/stops.txt", STOPS), ("feed/trips.csv", TIMES)], member) == STOPS


def test_the_rubbish_of_a_mac_is_no_file(read):
    assert read([*((name, "x") for name in RUBBISH), ("stops.txt", STOPS)]) == STOPS
    assert read([*((name, "x") for name in RUBBISH), ("stops.txt", STOPS)], "*") == STOPS


@pytest.mark.parametrize(
    ("member", "said"),
    [
        ("", "holds 2 files, not one: 'a/stops.txt', 'times.txt'. Say which one the source takes with member="),
        ("trips.txt", "has no file that member='trips.txt' names. It holds 'a/stops.txt', 'times.txt'"),
        ("*.txt", "has 2 files that member='*.txt' names: 'a/stops.txt', 'times.txt'. Narrow it down to one"),
        ("b/stops.txt", "has no file that member='b/stops.txt' names"),
        ("a*", "has no file that member='a*' names"),
    ],
)
def test_a_refusal_names_the_files(read, member, said):
    with pytest.raises(UnreadableError) as refused:
        read([("a/stops.txt", STOPS), ("times.txt", TIMES)], member)
    assert said in str(refused.value)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_two_files_of_the_same_name_are_not_one(read):
    with pytest.raises(UnreadableError, match=r"has 2 files that member='stops\.txt' names"):
        read([("stops.txt", STOPS), ("stops.txt", TIMES)], "stops.txt")


@given(cut=st.integers(1, 10_239))
def test_a_tar_that_is_cut_off_is_refused_even_between_its_blocks(tmp_path_factory, cut):
    folder = tmp_path_factory.mktemp("tar")
    whole = tarred([("stops.txt", STOPS)])
    (folder / "a.tar").write_bytes(whole[:cut])
    ends = 512 * 2  # its header and its text; zeros below say that it is whole
    if cut <= ends:
        with pytest.raises(UnreadableError, match="not a sound tar archive"):
            plain(folder / "a.tar", "utf-8", "", folder / "scratch")
    else:
        assert plain(folder / "a.tar", "utf-8", "", folder / "scratch").read_text() == STOPS


def test_a_bomb_beside_the_file_is_refused_too(tmp_path, monkeypatch):
    monkeypatch.setattr("etl.sources.formats.limits.ALWAYS_BYTES", 1_000_000)
    path = tmp_path / "a.tgz"
    path.write_bytes(gzip.compress(tarred([("zeros", "\0" * 3_000_000), ("stops.txt", STOPS)])))
    with pytest.raises(UnreadableError, match="zip bomb"):
        plain(path, "utf-8", "", tmp_path / "scratch", member="stops.txt")


def test_a_file_that_is_no_archive_has_no_member(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(STOPS.encode()))
    with pytest.raises(
        UnreadableError, match="is not an archive of several files, and member='a' names one in it"
    ):
        plain(path, "utf-8", "", tmp_path / "scratch", member="a")


@pytest.mark.parametrize("member", ["/a.csv", "folder/", "a[0].csv", 7])
def test_what_cannot_be_the_name_of_a_file_is_refused(member):
    with pytest.raises(ContractError, match="is not the name of a file in an archive"):
        TextFile(member=member)


@pytest.mark.parametrize(
    "fmt",
    [
        Csv(member="a.txt"),
        FixedWidth(columns={"id": (1, 4)}, member="a.txt"),
        Json(member="a.txt"),
        JsonLines(member="a.txt"),
        Xml(record="a/b", member="a.txt"),
    ],
    ids=lambda fmt: type(fmt).__name__,
)
def test_every_format_of_text_takes_one_of_several_files(tmp_path, fmt):
    texts = {"Csv": "id\n7\n", "FixedWidth": "7   \n", "Json": '[{"id": 7}]', "JsonLines": '{"id": 7}\n'}
    text = texts.get(type(fmt).__name__, "<a><b><id>7</id></b></a>")
    path = tmp_path / "a.zip"
    path.write_bytes(zipped([("a.txt", text), ("b.txt", "other")]))
    assert taken_apart(fmt.open(path, ["id"], tmp_path / "scratch")).rows == [("7",)]
    # a record that a person corrected comes alone, in no archive
    assert getattr(fmt.record_format(["id"]), "member", "") == ""


def test_an_option_that_came_later_changes_no_format_that_does_not_use_it():
    for name in FORMATS:
        options = {"Xml": {"record": "a/b"}, "FixedWidth": {"columns": {"id": (1, 4)}}}.get(name, {})
        fmt = format_class(name)(**options)
        came_later = {each.name for each in fields(fmt) if each.metadata.get("later")}
        assert not came_later & format_to(fmt).keys()
    assert format_to(Csv(member="a.csv"))["member"] == "a.csv"
    assert format_from(format_to(Csv(member="a.csv"))) == Csv(member="a.csv")
