"""Deliveries that are uploaded: whole or not at all, where their source takes them, never over another one."""

import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from etl.operations.serve.hooks import Hooks
from etl.project import Project
from tests.operations.serve.test_hooks import ALL_TOKEN, ENVIRONMENT, FAST, RUNS_TOKEN, SALES_TOKEN, send, standard
from tests.support.projects import wait_for
from tests.support.serving import TOKEN, Client, served

BODY = b"id,item\n77,lynx\n"
SALES = {"Authorization": f"Bearer {SALES_TOKEN}"}
NEXT = "/deliveries/sales?file=sales/2024-03-09.csv"


@pytest.fixture
def client(project: Project) -> Iterator[Client]:
    with served(project, hooks=Hooks.of(ENVIRONMENT), limits=FAST, upload_bytes=3_000_000) as found:
        yield found


def raw(project: Project) -> dict[str, bytes]:
    return {
        str(path.relative_to(project.raw)): path.read_bytes() for path in project.raw.rglob("*") if path.is_file()
    }


@pytest.mark.parametrize("token", [SALES_TOKEN, ALL_TOKEN, TOKEN])
def test_a_delivery_lies_where_its_source_takes_it(token: str, client: Client, project: Project) -> None:
    answer = send(client, NEXT, BODY, {"Authorization": f"Bearer {token}"})
    assert (answer.status, answer.data["bytes"], answer.data["is_new"]) == (201, len(BODY), True)
    assert raw(project)["sales/2024-03-09.csv"] == BODY


def test_its_date_is_enough(client: Client, project: Project) -> None:
    answer = send(client, "/deliveries/sales?date=2024-03-10", BODY, SALES)
    assert (answer.status, answer.data["file"]) == (201, "sales/2024-03-10.csv")


def test_the_same_once_more_is_no_error_and_another_one_is_refused(client: Client, project: Project) -> None:
    statuses = [send(client, NEXT, content, SALES).status for content in (BODY, BODY, b"id,item\n1,other\n")]
    assert statuses == [201, 200, 409]
    assert raw(project)["sales/2024-03-09.csv"] == BODY
    assert send(client, f"{NEXT}&replace=yes", b"id,item\n1,other\n", SALES).status == 201
    assert raw(project)["sales/2024-03-09.csv"] == b"id,item\n1,other\n"
    assert not [name for name in raw(project) if name.endswith(".upload")]


WRONG = {
    "/deliveries/sales?file=sales/2024-02-30.csv": 400,
    "/deliveries/sales?file=sales/other.csv": 400,
    "/deliveries/sales?file=../sales/2024-03-09.csv": 400,
    "/deliveries/sales?file=sales/../../2024-03-09.csv": 400,
    "/deliveries/sales?file=/etc/2024-03-09.csv": 400,
    "/deliveries/sales?file=sales/2024-03-09.csv/": 400,
    "/deliveries/sales?file=sales/.2024-03-09.csv": 400,
    "/deliveries/sales?file=sales//2024-03-09.csv": 400,
    "/deliveries/sales?file=sales/2024-03-09%0a.csv": 400,
    "/deliveries/sales?file=sales%2f2024-03-09.csv%00": 400,
    "/deliveries/sales?date=yesterday": 400,
    "/deliveries/sales": 400,
    "/deliveries/nobody?file=sales/2024-03-09.csv": 403,
    "/deliveries/..?file=sales/2024-03-09.csv": 403,
}


@pytest.mark.parametrize("path", WRONG)
def test_no_other_place_is_written_to(path: str, client: Client, project: Project) -> None:
    before = raw(project)
    assert send(client, path, BODY, SALES).status == WRONG[path]
    assert raw(project) == before


def test_a_source_that_is_not_there_is_said_to_who_may_deliver_to_all(client: Client) -> None:
    answer = send(client, "/deliveries/nobody?file=x.csv", BODY, {"Authorization": f"Bearer {ALL_TOKEN}"})
    assert (answer.status, answer.data["error"]) == (404, "nobody is not a source whose files are delivered.")


@pytest.mark.parametrize("headers", [
    {}, {"Authorization": f"Bearer {RUNS_TOKEN}"}, {"Authorization": "Bearer nobody-knows"}, standard(body=BODY),
])  # fmt: skip
def test_who_may_not_deliver_leaves_nothing(headers: dict[str, str], client: Client, project: Project) -> None:
    before = raw(project)
    assert send(client, NEXT, BODY, headers).status in (401, 403)
    assert raw(project) == before


def test_a_page_uploads_nothing(client: Client, project: Project) -> None:
    session = client.log_in()
    answer = send(client, NEXT, BODY, {"Cookie": session.headers["Cookie"]})
    assert answer.status == 403
    assert "sales/2024-03-09.csv" not in raw(project)


@pytest.mark.parametrize("size", [0, 1, 64 * 1024, 70_000, 2_900_000])
def test_of_every_size_it_is_whole(size: int, client: Client, project: Project) -> None:
    body = bytes(n % 251 for n in range(size))
    assert send(client, NEXT, body, SALES).status == 201
    assert raw(project)["sales/2024-03-09.csv"] == body


def test_one_that_is_too_large_is_refused_before_it_is_read(client: Client, project: Project) -> None:
    before = raw(project)
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as found:
        head = f"POST {NEXT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SALES_TOKEN}\r\n"
        found.sendall(f"{head}Content-Length: 4000000\r\n\r\n".encode())
        assert found.recv(100).startswith((b"HTTP/1.1 400", b"HTTP/1.1 413"))
    wait_for(lambda: raw(project) == before)


def test_one_that_breaks_off_leaves_nothing(client: Client, project: Project) -> None:
    before = raw(project)
    with socket.create_connection(("127.0.0.1", client.port), timeout=60) as found:
        head = f"POST {NEXT} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {SALES_TOKEN}\r\n"
        found.sendall(f"{head}Content-Length: 100000\r\n\r\n".encode() + b"x" * 50_000)
        wait_for(lambda: any(name.endswith(".upload") for name in raw(project)))
    wait_for(lambda: raw(project) == before)


def test_what_a_server_that_was_killed_has_left_goes_with_the_next(client: Client, project: Project) -> None:
    import os

    left = project.raw / "sales" / ".2024-03-09.csv.0000.upload"
    left.write_bytes(b"half")
    os.utime(left, (0, 0))
    assert send(client, NEXT, BODY, SALES).status == 201
    assert not left.exists()


def test_of_several_at_once_one_is_there_and_whole(client: Client, project: Project) -> None:
    answers: list[int] = []
    bodies = [f"id,item\n{number},{'x' * 200_000}\n".encode() for number in range(6)]
    threads = [
        threading.Thread(target=lambda body=body: answers.append(send(client, NEXT, body, SALES).status))
        for body in bodies
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == [201, 409, 409, 409, 409, 409]
    assert raw(project)["sales/2024-03-09.csv"] in bodies


def test_a_folder_that_is_a_link_out_of_raw_is_not_written_to(
    client: Client, project: Project, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    (project.raw / "sales").rename(elsewhere)
    (project.raw / "sales").symlink_to(elsewhere)
    answer = send(client, NEXT, BODY, SALES)
    assert (answer.status, answer.data["error"]) == (
        400,
        "The folder of that file is a link that leads out of data/raw.",
    )
    assert not (elsewhere / "2024-03-09.csv").exists()
