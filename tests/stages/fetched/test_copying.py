"""Files of buckets and SFTP servers: which are copied, when they are complete, where a killed fetch goes on."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from etl.errors import ContractError, FetchError
from etl.ledger import Ledger
from etl.plan.definitions import definitions
from etl.project import Project
from etl.sources import Source
from etl.sources.fetches.bucket import Bucket
from etl.sources.fetches.sftp import Sftp
from etl.stages import fetched
from etl.stages.fetched import copying, manifests
from etl.stages.fetched.kinds import bucket as bucket_kind
from tests.support import azure, google, stores, tiny

pytestmark = pytest.mark.sampled

DAY = date(2024, 3, 2)
CONTRACT = """
import pandera.pandas as pa
from etl import *

class Sales(pa.DataFrameModel):
    id: int
"""


class Place:
    """A project that copies `sales/{date}.csv`, or other files, from a server."""

    def __init__(self, root: Path, server: Any, declare: Callable[[str], str]) -> None:
        self.root, self.server, self.declare = root, server, declare
        self.project: Project | None = None

    def source(self, files: str = "sales/{date}.csv", options: str = "") -> Source:
        text = f"{CONTRACT}\nsales = Source(contract=Sales, files={files!r}, fetch={self.declare(options)})\n"
        self.project = tiny.project(self.root, text, {}, {}, "threads = 1\nretries = 0\n")
        return definitions(self.project, Ledger(self.project.ledger))[0].sources["sales"]

    def fetch(self, source: Source, **options: Any) -> fetched.Fetched:
        assert self.project
        return fetched.fetch(self.project, source, DAY, **options)

    def names(self, source: Source) -> dict[str, bytes]:
        """Return what was copied, by its own name: the newest of each."""
        assert self.project
        found = sorted(source.connector.landed(self.project.fetched), key=lambda one: one.stamp)
        return {one.name: (self.project.fetched / one.path).read_bytes() for one in found}

    def downloads(self) -> int:
        """Return how often the content of a file was asked for."""
        if isinstance(self.server, stores.Ssh):
            return len(self.server.opened)
        return len([one for one in self.server.asked if one.startswith("GET ") and "/in/" in one])


@contextmanager
def _bucket(folder: Path) -> Iterator[tuple[Any, Callable[[str], str]]]:
    with stores.bucket() as held:
        yield held, held.declared


@contextmanager
def _google(folder: Path) -> Iterator[tuple[Any, Callable[[str], str]]]:
    with google.bucket() as held:
        yield held, held.declared


@contextmanager
def _azure(folder: Path) -> Iterator[tuple[Any, Callable[[str], str]]]:
    with azure.bucket(folder) as held:
        yield held, held.declared


@contextmanager
def _sftp(folder: Path) -> Iterator[tuple[Any, Callable[[str], str]]]:
    with stores.sftp(folder) as held:
        yield held, held.fetch


@pytest.fixture(params=[_bucket, _google, _azure, _sftp], ids=["S3", "Google", "Azure", "Sftp"])
def place(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
    (tmp_path / "server").mkdir()
    with request.param(tmp_path / "server") as (server, declare):
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        yield Place(tmp_path / "project", server, declare)


def test_files_are_copied_as_they_are_and_what_changed_comes_again(place: Place) -> None:
    source = place.source()
    place.server.put("in/sales/2024-03-01.csv", b"id\n1\n")
    place.server.put("in/sales/2024-03-02.csv", b"id\n2\n")
    place.server.put("in/elsewhere/2024-03-02.csv", b"id\n3\n")
    place.server.put("in/sales/deeper/2024-03-02.csv", b"id\n4\n")
    assert len(place.fetch(source).files) == 2
    place.server.put("in/sales/2024-03-01.csv", b"id\n10\n")
    assert len(place.fetch(source).files) == 1
    assert place.names(source) == {"sales/2024-03-01.csv": b"id\n10\n", "sales/2024-03-02.csv": b"id\n2\n"}
    assert place.project
    known = manifests(source, place.project.fetched)
    said = next(said for found, said in known if found.name == "sales/2024-03-01.csv")
    assert said.content == hashlib.sha256(b"id\n10\n").hexdigest()
    assert (said.more["size"], said.more["key"].lstrip("/")) == (6, "in/sales/2024-03-01.csv")


def test_what_is_as_it_was_is_listed_only(place: Place) -> None:
    source = place.source("sales/*.csv")
    for number in range(40):
        place.server.put(f"in/sales/{number}.csv", b"id\n1\n")
        if isinstance(place.server, stores.Ssh):
            os.utime(place.server.folder / f"in/sales/{number}.csv", (1_700_000_000, 1_700_000_000))
    assert len(place.fetch(source).files) == 40
    before = place.downloads()
    assert before == 40
    assert place.fetch(source).files == ()
    assert place.downloads() == before
    assert place.fetch(source, full=True).files == ()
    assert place.downloads() == 2 * before


def test_an_empty_file_is_a_file(place: Place) -> None:
    source = place.source()
    place.server.put("in/sales/2024-03-01.csv", b"")
    assert len(place.fetch(source).files) == 1
    assert place.names(source) == {"sales/2024-03-01.csv": b""}


@pytest.mark.parametrize(
    "files, marker, complete",
    [
        ("sales/{date}.csv", "{file}.done", "in/sales/2024-03-01.csv.done"),
        ("sales/{date}.csv", "ready/{date}/_SUCCESS", "in/ready/2024-03-01/_SUCCESS"),
        ("sales/{date}/*.csv", "sales/{date}/_SUCCESS", "in/sales/2024-03-01/_SUCCESS"),
    ],
)
def test_a_delivery_without_its_marker_is_not_copied_yet(
    place: Place, files: str, marker: str, complete: str
) -> None:
    source = place.source(files, f"marker={marker!r}")
    names = ["2024-03-01/a.csv", "2024-03-01/b.csv"] if "*" in files else ["2024-03-01.csv"]
    for name in names:
        place.server.put(f"in/sales/{name}", b"id\n1\n")
    found = place.fetch(source)
    assert found.files == ()
    assert complete.removeprefix("in/") in "".join(found.notes)
    place.server.put(complete, b"")
    assert len(place.fetch(source).files) == len(names)


def test_a_file_that_has_just_changed_is_not_copied_yet(place: Place) -> None:
    place.server.put("in/sales/2024-03-01.csv", b"id\n1\n")
    found = place.fetch(place.source(options="settle_seconds=3600"))
    assert found.files == ()
    assert "settle_seconds is 3600" in "".join(found.notes)
    assert len(place.fetch(place.source(options="settle_seconds=0.001")).files) == 1


def test_names_that_no_file_can_have_are_told_and_left_out(place: Place) -> None:
    source = place.source("sales/{date}*.csv")
    place.server.put("in/sales/2024-03-01.csv", b"id\n1\n")
    long = f"2024-03-02{'x' * 200}.csv"
    place.server.put(f"in/sales/{long}", b"id\n2\n")
    place.server.put("in/sales/2024-3-1.csv", b"id\n3\n")
    place.server.put("in/sales/2024-03-03.csv.part", b"id\n4\n")
    found = place.fetch(source)
    assert place.names(source) == {"sales/2024-03-01.csv": b"id\n1\n"}
    assert any(long in note and "no file can have" in note for note in found.notes)
    assert any("2024-3-1.csv" in note and "not written as declared" in note for note in found.notes)


@pytest.mark.parametrize("odd", ["in/sales//d.csv", "in/sales/../c.csv", "in/sales/."])
def test_a_name_that_no_path_can_have_is_told_and_stops_nothing_in_s3(place: Place, odd: str) -> None:
    if isinstance(place.server, stores.Ssh):
        pytest.skip("a folder has no such names")
    source = place.source()
    place.server.put(odd, b"id\n2\n")
    place.server.put("in/sales/2024-03-01.csv", b"id\n1\n")
    if not isinstance(place.server, stores.S3):
        # nothing here lists such names of other buckets: it is said, and nothing is taken for all there is
        with pytest.raises(FetchError, match=r"holds a name that no file can have .*Have it renamed"):
            place.fetch(source)
        return
    found = place.fetch(source)
    assert place.names(source) == {"sales/2024-03-01.csv": b"id\n1\n"}
    assert any(odd.removeprefix("in/") in note and "no file can have" in note for note in found.notes)
    place.server.put("in/sales/2024-03-01.csv", b"id\n3\n")
    assert len(place.fetch(source).files) == 1


def test_a_fetch_that_broke_off_goes_on_where_it_was(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("bucket", "sftp"):
        monkeypatch.setattr(f"etl.stages.fetched.kinds.{module}.PART_BYTES", 1000)
    source = place.source()
    content = b"id\n" + b"1\n" * 5000
    place.server.put("in/sales/2024-03-01.csv", content)
    asked: list[int] = []
    real = copying.CopyWriter.checkpoint

    def broken(writer: Any, state: Any) -> None:
        real(writer, state)
        asked.append(writer.size)
        if len(asked) == 4:
            raise FetchError("it broke off")

    with monkeypatch.context() as patched:
        patched.setattr(copying.CopyWriter, "checkpoint", broken)
        with pytest.raises(FetchError, match="it broke off"):
            place.fetch(source)
    begun: list[int] = []
    monkeypatch.setattr(
        copying.CopyWriter, "checkpoint", lambda writer, state: (begun.append(writer.size), real(writer, state))
    )
    assert len(place.fetch(source).files) == 1
    assert begun[0] == asked[-1] + 1000
    assert place.names(source) == {"sales/2024-03-01.csv": content}


def test_a_file_of_one_part_is_not_noted_on_the_way(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    # each note is flushed, which takes longer than a small file
    monkeypatch.setattr(copying.CopyWriter, "checkpoint", lambda *_: pytest.fail("it was noted"))
    source = place.source()
    place.server.put("in/sales/2024-03-01.csv", b"id\n1\n")
    assert len(place.fetch(source).files) == 1
    assert place.names(source) == {"sales/2024-03-01.csv": b"id\n1\n"}


def test_what_is_written_while_it_is_copied_is_never_landed_in_half(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("bucket", "sftp"):
        monkeypatch.setattr(f"etl.stages.fetched.kinds.{module}.PART_BYTES", 1000)
    source = place.source()
    new = b"id\n" + b"2\n" * 1500
    place.server.put("in/sales/2024-03-01.csv", b"id\n" + b"1\n" * 2000)
    real = copying.CopyWriter.checkpoint
    puts = iter([new])

    def changed(writer: Any, state: Any) -> None:
        real(writer, state)
        for content in puts:
            place.server.put("in/sales/2024-03-01.csv", content)

    monkeypatch.setattr(copying.CopyWriter, "checkpoint", changed)
    place.fetch(source)
    assert place.names(source) == {"sales/2024-03-01.csv": new}


def test_files_that_are_older_than_what_is_kept_do_not_come_again(place: Place) -> None:
    source = place.source()
    for day in ("2023-01-01", "2024-03-01"):
        place.server.put(f"in/sales/{day}.csv", b"id\n1\n")
    assert len(place.fetch(source).files) == 2
    source.fetch = replace(source.fetch, keep_days=5)
    assert place.project
    later = date.today().replace(year=date.today().year + 1, day=1)
    fetched.fetch(place.project, source, later)
    assert len(place.names(source)) == 1
    assert fetched.fetch(place.project, source, later).files == ()


def test_who_asks_is_said_by_variables_that_are_set(place: Place) -> None:
    source = place.source()
    option = "secret" if "gs://" in source.fetch.named else "user"
    source.fetch = replace(source.fetch, **{option: "IN_NOTHING"})
    with pytest.raises(FetchError, match="the variable IN_NOTHING holds, and it is not set"):
        place.fetch(source)


def test_what_the_environment_says_of_another_is_not_mixed_in(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_SESSION_TOKEN", "of somebody else")
    with stores.bucket() as server:
        for name, value in server.environment.items():
            monkeypatch.setenv(name, value)
        server.put("in/sales/2024-03-01.csv", b"id\n1\n")
        place = Place(tmp_path, server, server.declared)
        assert len(place.fetch(place.source()).files) == 1
        assert set(server.tokens) == {""}


@pytest.mark.parametrize(
    "make",
    [
        lambda: Bucket("shop/in"),
        lambda: Bucket("http://shop/in"),
        lambda: Bucket("s3://user:w0rd@shop/in"),
        lambda: Bucket("s3://shop/../in"),
        lambda: Bucket("s3://shop//in"),
        lambda: Bucket("s3://shop/in?versionId=7"),
        lambda: Bucket("s3://shop/in", secret="wJalrXUtnFEMI/K7MDENG"),
        lambda: Bucket("s3://shop/in", public=True, user="KEY"),
        lambda: Bucket("s3://shop/in", endpoint="minio.example"),
        lambda: Bucket("s3://shop/in", endpoint="https://user:w0rd@minio.example"),
        lambda: Bucket("gs://shop/in", user="KEY"),
        lambda: Bucket("gs://shop/in", token="TOKEN"),
        lambda: Bucket("gs://shop/in", region="eu-central-1"),
        lambda: Bucket("az://shop/in", region="eu-central-1"),
        lambda: Sftp("sftp://shop/in", user="U", password="P", host_keys=" "),
        lambda: Sftp("sftp://shop/in", user="U", host_keys="SHA256:x"),
        lambda: Sftp("sftp://shop/in", user="U", key="-----BEGIN OPENSSH PRIVATE KEY-----", host_keys="x"),
        lambda: Sftp("sftp://ann:w0rd@shop/in", user="U", password="P", host_keys="x"),
        lambda: Sftp("ftp://shop/in", user="U", password="P", host_keys="x"),
    ],
)
def test_what_cannot_be_asked_is_refused_when_it_is_declared_and_no_secret_is_said(
    make: Callable[[], Any],
) -> None:
    with pytest.raises(ContractError) as caught:
        make()
    assert not any(secret in str(caught.value) for secret in ("w0rd", "wJalr", "BEGIN"))


@pytest.mark.parametrize(
    "files, marker", [("sales_{version}.csv", ""), ("s.csv.part", ""), ("s.csv", "s/{date}/m")]
)
def test_files_that_cannot_be_copied_are_refused(files: str, marker: str) -> None:
    with pytest.raises(ContractError):
        Bucket("s3://shop/in", marker=marker).check_files(files)


def test_a_bucket_asked_by_a_forked_process_is_refused_and_does_not_hang(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bucket_kind, "_OWNER", [1])
    with pytest.raises(FetchError, match="was forked from one that asked"):
        bucket_kind.open_store(Bucket("s3://shop/in/"))


class TestSftp:
    """The server is known by its key, and who asks by a password or a key."""

    @pytest.fixture
    def place(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Place]:
        with stores.sftp(tmp_path) as server:
            for name, value in server.environment.items():
                monkeypatch.setenv(name, value)
            server.put("in/sales/2024-03-01.csv", b"id\n1\n")
            yield Place(tmp_path / "project", server, server.fetch)

    @pytest.mark.parametrize(
        "known",
        [
            "{fingerprint}",
            "SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDkEtzD1JHVz2P7k0s {fingerprint}",
            "{public}",
            "[127.0.0.1]:{port} {public}",
            "# the keys\n{public}\n",
            "contracts/known_hosts",
        ],
    )
    @pytest.mark.parametrize("who", ["password='SFTP_PASSWORD'", "key='SFTP_KEY'"])
    def test_a_server_is_known_by_its_key(self, place: Place, known: str, who: str) -> None:
        public = place.server.host_key.export_public_key().decode().strip()
        facts = {"fingerprint": place.server.fingerprint, "public": public, "port": place.server.port}
        place.declare = lambda _: place.server.fetch(who=who, host_keys=known.format(**facts))
        source = place.source()
        assert place.project
        (place.project.root / "contracts/known_hosts").write_text(f"[127.0.0.1]:{place.server.port} {public}\n")
        assert len(place.fetch(source).files) == 1

    @pytest.mark.parametrize(
        "known", ["SHA256:uNiVztksCsDhcc0u9e8BrrJXVGDkEtzD1JHVz2P7k0s", "{other}", "[127.0.0.1]:1 {public}"]
    )
    def test_another_server_is_refused_before_anybody_logs_in(self, place: Place, known: str) -> None:
        public = place.server.host_key.export_public_key().decode().strip()
        other = place.server.user_key.export_public_key().decode().strip()
        place.declare = lambda _: place.server.fetch(host_keys=known.format(public=public, other=other))
        with pytest.raises(FetchError, match="shows another key than host_keys says"):
            place.fetch(place.source())

    def test_keys_that_cannot_be_read_are_said(self, place: Place) -> None:
        place.declare = lambda _: place.server.fetch(host_keys="known_hosts")
        with pytest.raises(FetchError, match="known_hosts cannot be read"):
            place.fetch(place.source())

    @pytest.mark.parametrize(
        "variable, value, said",
        [
            ("SFTP_PASSWORD", "another word", "refuses who asks"),
            ("SFTP_USER", "bob", "refuses who asks"),
            ("SFTP_USER", "", "SFTP_USER holds, and it is not set"),
        ],
    )
    def test_a_wrong_password_is_said(
        self, place: Place, variable: str, value: str, said: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv(variable, value)
        with pytest.raises(FetchError, match=said):
            place.fetch(place.source())

    def test_a_private_key_is_read_from_a_file_too(
        self, place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        place.server.user_key.write_private_key(tmp_path / "id", passphrase="open sesame")
        monkeypatch.setenv("SFTP_KEY", str(tmp_path / "id"))
        monkeypatch.setenv("SFTP_PASSPHRASE", "open sesame")
        place.declare = lambda _: place.server.fetch(who="key='SFTP_KEY', passphrase='SFTP_PASSPHRASE'")
        assert len(place.fetch(place.source()).files) == 1
        monkeypatch.setenv("SFTP_PASSPHRASE", "open barley")
        with pytest.raises(FetchError, match="SFTP_KEY holds is not a private key that can be opened"):
            place.fetch(place.source())

    def test_a_folder_that_is_not_there_is_missing_data(self, place: Place) -> None:
        place.declare = lambda _: place.server.fetch().replace("/in/", "/out/")
        with pytest.raises(FetchError, match="has no such folder"):
            place.fetch(place.source())

    def test_a_link_is_what_it_leads_to_and_names_of_other_bytes_are_told(self, place: Place) -> None:
        folder = place.server.folder / "in/sales"
        (folder / "2024-03-02.csv").symlink_to("2024-03-01.csv")
        (folder / "2024-03-04.csv").symlink_to("nowhere.csv")
        Path(os.fsdecode(os.fsencode(folder) + b"/2024-03-03\xff.csv")).write_bytes(b"id\n3\n")
        source = place.source("sales/{date}*.csv")
        found = place.fetch(source)
        assert sorted(place.names(source)) == ["sales/2024-03-01.csv", "sales/2024-03-02.csv"]
        assert any("2024-03-03" in note for note in found.notes)
