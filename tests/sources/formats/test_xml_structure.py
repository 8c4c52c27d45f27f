"""XML records with attributes of the elements around them, and with elements that an attribute chooses."""

import json
from xml.sax.saxutils import quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import ContractError
from etl.sources.formats import Xml, format_from, format_to
from tests.support.thorough import examples

LAW = settings(
    max_examples=examples(30), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
FEED = """<feed xmlns="urn:x" xmlns:y="urn:y" date="2024-03-31">
<site id="007" y:id="N &amp; &quot;S&quot;">
<item><at>1</at><value channel="in">77</value><value channel="out" no="2">16</value></item>
<item><value channel="in">1.5</value></item></site>
<site id="008"><item/></site></feed>"""
FMT = Xml(
    record="f:feed/f:site/f:item",
    namespaces={"f": "urn:x", "y": "urn:y"},
    fields={
        "at": "f:at",
        "site": "../@id",
        "name": "../@y:id",
        "day": "../../@date",
        "inside": "f:value[@channel='in']",
        "outside": 'f:value[@channel="out"]',
        "no": "f:value[@channel='out']/@no",
    },
)
COLUMNS = list(FMT.fields)
ROWS = [
    ("1", "007", 'N & "S"', "2024-03-31", "77", "16", "2"),
    (None, "007", 'N & "S"', "2024-03-31", "1.5", None, None),
    (None, "008", None, "2024-03-31", None, None, None),
]


def test_what_is_around_a_record_and_what_an_attribute_chooses_are_cells(table):
    found = table(FMT, FEED, COLUMNS)
    assert found.rows == ROWS
    assert found.extras == ()
    texts = "\n".join(place.text for place in found.places)
    assert table(FMT.record_format([]), texts, COLUMNS).rows == ROWS


def test_of_hidden_cells_around_a_record_nothing_is_left(table):
    text = table(FMT, FEED, COLUMNS).places[0].text
    shown = FMT.redacted(text, COLUMNS, dict.fromkeys(["name", "inside"], lambda cell: "*"))
    assert shown is not None
    assert "S&quot;" not in shown
    assert "77" not in shown
    expected = ("1", "007", "*", "2024-03-31", "*", "16", "2")
    assert table(FMT.record_format([]), shown, COLUMNS).rows == [expected]


def test_elements_that_nothing_chooses_are_extra(table):
    content = "<r><i><v k='a'>1</v><v k='b' n='2'>3</v><v>4</v></i><i><v k='a'>1</v><v k='a'>2</v></i></r>"
    fmt = Xml(record="r/i", fields={"a": "v[@k='a']"})
    found = table(fmt, content, ["a"])
    assert found.rows == [("1",)]
    assert json.loads(found.extra[0]) == {"v/@k": "b", "v/@n": "2", "v": ["3", "4"]}
    assert [problem for _, _, problem in found.broken] == ["v[@k='a'] appears more than once"]


def test_a_list_of_chosen_elements_and_their_attribute_are_cells(table):
    content = "<r><i><v k='a/b'>1</v><v k='c'>2</v><v k='a/b'>3</v></i></r>"
    fmt = Xml(record="r/i", fields={"all": "v[@k='a/b'][]", "c": "v[@k='c']/@k", "two": "v[@k='c']"})
    assert table(fmt, content, ["all", "c", "two"]).rows == [('["1","3"]', "c", "2")]


@pytest.mark.parametrize(
    ("record", "path", "problem"),
    [
        ("a/b", "../../@id", "leads above the root"),
        ("a/b", "../c", "is not understood"),
        ("a/b", "v[@k=a]", "is not understood"),
        ("a/b", "../@x:id", "prefix 'x' in a path"),
    ],
)
def test_wrong_paths_are_told(record, path, problem):
    with pytest.raises(ContractError, match=problem):
        Xml(record=record, fields={"x": path})


def test_an_element_is_chosen_by_one_attribute():
    with pytest.raises(ContractError, match="the element v is chosen by two attributes"):
        Xml(record="a/b", fields={"x": "v[@k='1']", "y": "v[@n='1']"})


def test_paths_survive_the_cache():
    assert format_from(json.loads(json.dumps(format_to(FMT)))) == FMT


@LAW
@given(value=st.text("ab <>&\"'\t\n\rü/]", max_size=6))
def test_any_attribute_around_a_record_comes_with_it(table, value):
    fmt = Xml(record="a/b", fields={"x": "../@x"})
    # the parser itself makes a space of each blank that is not written as a reference
    escaped = quoteattr(value, {"\t": "&#9;"})
    found = table(fmt, f"<a x={escaped}><b/></a>", ["x"])
    assert found.rows == [(value or None,)]
    assert table(fmt.record_format([]), found.places[0].text, ["x"]).rows == found.rows
