"""What `etl sniff` proposes for JSON: where the records are, however its sender writes them."""

import json

import pytest

from etl.errors import ConfigError
from tests.operations.sniffing.test_propose import extracted, sniffed


@pytest.mark.parametrize(
    ("content", "format", "outcome"),
    [
        ('[["id", "name"], [1, "Ann"], [2, "Bob"]]', "Json(header=True)", (2, 0)),
        ('[["id", "name"], [1, "Ann"], [2]]', "Json(header=True)", (1, 1)),
        ('{"n": 2, "rates": {"USD": {"r": 1.5}, "EUR": {"r": 1}}}', 'Json(records="rates", keyed="key")', (2, 0)),
        ('{"A": {"key": 1}, "B": {"key": 2}}', 'Json(keyed="key_2")', (2, 0)),
        ('{"id": 1}{"id": 2} {\n"id": 3}', "JsonLines(concatenated=True)", (3, 0)),
        (
            '{"items": [{"id": 1}]}{"items": [{"id": 2}, {"id": 3}]}',
            'Json(records="items", concatenated=True)',
            (3, 0),
        ),
        ('[{"id": 1, "x": NaN}, {"id": 2, "x": 1.5}]', 'Json(nan=True, null="NaN")', (2, 0)),
        ('[{"id": 1, "x": Infinity}]', "Json(nan=True)", (1, 0)),
    ],
)
def test_records_are_found_where_the_sender_puts_them(tmp_path, content, format, outcome):
    assert format in sniffed(tmp_path, content, "a_2024-03-01.json").replace("\n", "")
    assert extracted(tmp_path, content, "a_2024-03-01.json") == outcome


CHANGE = {"op": "c", "before": None, "after": {"id": 1, "item": "pen"}}


@pytest.mark.parametrize("times", [1, 3])
@pytest.mark.parametrize(
    "wrap", [lambda change: change, lambda change: {"schema": {"fields": []}, "payload": change}]
)
def test_changes_of_debezium_are_read_as_the_rows_that_they_tell(tmp_path, wrap, times):
    changes = [wrap({**CHANGE, "source": {"connector": "postgresql", "lsn": n}}) for n in range(times)]
    content = "".join(f"{json.dumps(change)}\n" for change in changes)
    text = sniffed(tmp_path, content, "a_2024-03-01.jsonl")
    assert "format=Debezium()" in text
    assert 'alias="_position"' in text and 'alias="_deleted"' in text
    assert extracted(tmp_path, content, "a_2024-03-01.jsonl") == (times, 0)


@pytest.mark.parametrize("other", [{"op": "c", "n": 1}, {"after": {"id": 1}, "before": None}, CHANGE["after"]])
def test_what_only_looks_like_a_change_is_what_it_is(tmp_path, other):
    content = "".join(f"{json.dumps(one)}\n" for one in (CHANGE, other))
    assert "Debezium" not in sniffed(tmp_path, content, "a_2024-03-01.jsonl")


def test_records_within_records_are_pointed_at(tmp_path):
    content = '{"orders": [{"id": 1, "items": [{"sku": "a"}]}, {"id": 2, "items": []}]}'
    text = sniffed(tmp_path, content, "a_2024-03-01.json")
    assert "# Another source can read the records in items beside what is around them: orders[].items." in text
    assert extracted(tmp_path, content, "a_2024-03-01.json") == (2, 0)


@pytest.mark.parametrize("content", ["[[1, 2], [3, 4]]", "[1, 2]", '"text"', '{"a": oops}'])
def test_what_has_no_records_is_not_taken_for_some(tmp_path, content):
    with pytest.raises(ConfigError):
        sniffed(tmp_path, content, "a_2024-03-01.json")
