"""The run under way: its steps and its log come as they are made, until it is over."""

import http.client
import logging

from etl.run.active import active_run, finish_runs, new_run_id
from tests.support import tiny
from tests.support.serving import BEARER, HTML, TOKEN, Client, served


def events(response):
    """Yield kind and data of each event."""
    kind = ""
    for line in response:
        name, _, value = line.decode().rstrip("\n").partition(": ")
        if name == "event":
            kind = value
        elif name == "data":
            yield kind, value


def test_a_run_under_way_is_followed_to_its_end(project):
    with served(project) as stranger:
        tiny.deliver(project, {"sales/2024-03-06.csv": "id,item\n11,cup\n"})
        run = active_run(project.identity, new_run_id(), is_whole=True)
        try:
            page = Client(stranger.port, {**BEARER, **HTML}).get("/runs/last").text
            assert f'data-events="/runs/{run.row.run_id}/events"' in page and "under way" in page
            connection = http.client.HTTPConnection("127.0.0.1", stranger.port, timeout=60)
            connection.request("GET", "/runs/last/events", headers={"Authorization": f"Bearer {TOKEN}"})
            response = connection.getresponse()
            assert response.getheader("Content-Type") == "text/event-stream"
            found = events(response)
            assert "waits" in next(data for kind, data in found if kind == "steps")
            logging.getLogger("etl").warning("<b>half</b> of it is done")
            assert "<b>half</b> of it is done" in next(data for kind, data in found if kind == "line")
            tiny.work(run)
        finally:
            finish_runs()
        rest = list(found)
        assert rest[-1][0] == "end"
        assert any(kind == "line" and "published" in data for kind, data in rest)
        assert "waits" not in next(data for kind, data in reversed(rest) if kind == "steps")
        connection.close()


def test_a_reader_that_was_cut_off_goes_on_where_it_was(project):
    with served(project) as stranger:
        whole = Client(stranger.port, BEARER).get("/runs/last/events").text
        places = [int(line.removeprefix("id: ")) for line in whole.splitlines() if line.startswith("id: ")]
        assert places == sorted(places) and len(places) > 2
        rest = Client(stranger.port, BEARER).get("/runs/last/events", Last_Event_ID=str(places[-2])).text
        assert [line for line in rest.splitlines() if line.startswith("id: ")] == [f"id: {places[-1]}"]


def test_the_page_of_a_run_that_is_over_follows_nothing(project):
    with served(project) as stranger:
        page = Client(stranger.port, {**BEARER, **HTML}).get("/runs/last").text
        assert "data-events" not in page and "publish" in page


def test_only_so_many_follow_at_once(project):
    with served(project) as stranger:
        active_run(project.identity, new_run_id(), is_whole=True)
        try:
            open_ones = [http.client.HTTPConnection("127.0.0.1", stranger.port, timeout=60) for _ in range(20)]
            for one in open_ones:
                one.request("GET", "/runs/last/events", headers=BEARER)
                assert one.getresponse().status == 200
            assert Client(stranger.port, BEARER).get("/runs/last/events").status == 503
            assert Client(stranger.port, BEARER).get("/runs").status == 200
        finally:
            finish_runs()
        for one in open_ones:
            one.close()
