"""XML: elements at a path are records, and nothing in a file can reach out of it."""

import json
import os
from xml.sax.saxutils import escape, quoteattr

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from etl.errors import ContractError, UnreadableError
from etl.sources.formats import Xml, format_from, format_to

FUZZ = settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
ORDERS = Xml(record="orders/order", fields={"id": "@id", "city": "address/city", "tags": "tag[]"})


def test_attributes_and_elements_are_cells(table):
    content = """<?xml version="1.0"?>
<orders day="1"><head><order id="no"/></head>
  <order id="1"><name> Ann &amp; Bob </name><address><city>Bern</city></address></order>
  <order id="2"><tag>a</tag><tag/><address/></order>
  <order/>
</orders>"""
    found = table(ORDERS, content, ["id", "name", "city", "tags"])
    assert found.rows == [
        ("1", "Ann & Bob", "Bern", None),
        ("2", None, None, '["a",null]'),
        (None, None, None, None),
    ]
    assert found.broken == []
    assert [place.line for place in found.places] == [3, 4, 5]
    assert found.places[1].text == '<order id="2"><tag>a</tag><tag/><address/></order>'
    assert found.places[2].text == "<order/>"


def test_what_no_column_takes_is_extra(table):
    record = '<order id="1" x="2">loose<address zip="3"><street>A</street></address><n/><n>5</n></order>'
    content = f"<orders>{record}</orders>"
    found = table(ORDERS, content, ["id"])
    assert found.extras == (".", "@x", "address/@zip", "address/street", "n")
    assert json.loads(found.extra[0]) == {
        **{"@x": "2", "address/@zip": "3", "address/street": "A", "n": [None, "5"], ".": "loose"},
    }


def test_a_cell_that_is_there_twice_breaks_its_record(table):
    record = "<order><name>a</name><name>b</name></order>"
    found = table(ORDERS, f"<orders>\n{record}<order><name>c</name></order></orders>", ["name"])
    assert (found.rows, found.broken) == ([("c",)], [(2, record, "name appears more than once")])


def test_white_space_and_markers_for_null_are_as_declared(table):
    content = "<o><r><a> x </a></r><r><a>NA</a></r><r><a></a></r></o>"
    assert table(Xml(record="o/r", strip=False, null="NA"), content, ["a"]).rows == [(" x ",), (None,), ("",)]
    assert table(Xml(record="o/r/a", fields={"a": "."}), content, ["a"]).rows == [("x",), ("NA",), (None,)]


NAMESPACED = """<x:orders xmlns:x="urn:o" xmlns="urn:d" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance">
<x:order x:id="1" xml:lang="de"><name xsi:type="t">Ann</name><x:gone xsi:nil="true"/></x:order></x:orders>"""


def test_names_are_found_by_namespace_whatever_prefix_the_file_has(table):
    fmt = Xml(
        record="o:orders/o:order",
        fields={"id": "@o:id", "gone": "o:gone"},
        namespaces={"o": "urn:o", "": "urn:d"},
        null=(),
    )
    found = table(fmt, NAMESPACED, ["id", "name", "gone"])
    assert found.rows == [("1", "Ann", None)]
    assert found.extras == ("@xml:lang",)
    # the text stands alone
    again = table(
        fmt.record_format([]), found.places[0].text + "\n" + found.places[0].text, ["id", "name", "gone"]
    )
    assert again.rows == found.rows * 2
    other = table(Xml(record="a:orders/a:order", namespaces={"a": "urn:o"}), NAMESPACED, ["name"])
    assert other.extras == ("@a:id", "@xml:lang", "a:gone", "{urn:d}name")


@pytest.mark.parametrize(
    ("rest", "text"),
    [
        ("<order id='2'><name>", "<order id='2'><name>"),
        ("<order id=2/></orders>", "<order id=2/></orders>"),
        ("<order>\x01</order></orders>", "<order>\x01</order></orders>"),
        ("<order>&nope;</order></orders>", "<order>&nope;</order></orders>"),
        ("</order></orders>", "</order></orders>"),
        ("", ""),
        ("</orders>surplus", "</orders>surplus"),
    ],
)
def test_what_is_before_a_malformed_place_is_kept_and_the_rest_is_one_broken_record(table, rest, text):
    found = table(ORDERS, "<orders><order id='1'/>\n" + rest, ["id"])
    assert found.rows == [("1",)]
    [(line, broken, problem)] = found.broken
    assert (line, broken) == (2, text)
    assert problem.startswith("it is not XML: ")


@pytest.mark.parametrize(
    "doctype",
    [
        '<!DOCTYPE orders [<!ENTITY a "ha"><!ENTITY b "&a;&a;&a;">]>',
        '<!DOCTYPE orders SYSTEM "http://127.0.0.1:1/evil.dtd">',
        '<!DOCTYPE orders [<!ENTITY file SYSTEM "file:///etc/passwd">]>',
        '<!DOCTYPE orders [<!ENTITY % p SYSTEM "file:///etc/passwd"> %p;]>',
    ],
)
def test_a_document_type_is_refused_before_its_entities(table, doctype):
    with pytest.raises(UnreadableError, match=r"has a document type \(orders\)"):
        table(ORDERS, f"<?xml version='1.0'?>{doctype}<orders><order>&a;&b;&file;</order></orders>", ["id"])


def test_a_deep_record_is_broken_alone(table):
    deep = "<order>" + "<a>" * 5000 + "</a>" * 5000 + "</order>"
    found = table(ORDERS, f"<orders>{deep}<order id='2'/></orders>", ["id"])
    assert (found.rows, found.broken) == ([("2",)], [(1, deep, "it is nested too deeply")])


def test_files_without_the_path_are_refused_and_empty_ones_are_empty(table):
    assert table(ORDERS, "<orders/>", ["id"]).rows == []
    for content, message in (
        ("<orders><ordr/></orders>", "no element at orders/order; the elements on the way to it are: orders/ordr"),
        ("<bestellungen/>", "are: bestellungen"),
        ("id;name", "is not XML"),
        ("", "is not XML"),
    ):
        with pytest.raises(UnreadableError, match=message):
            table(ORDERS, content, ["id"])


def test_an_element_that_is_only_attributes_is_no_column_unless_one_takes_it(table):
    content = "<orders><order>\n<account id='7' tax='x'/><note xml:lang='de'> </note></order></orders>"
    fields = {"account_id": "account/@id", "tax": "account/@tax"}
    found = table(Xml(record="orders/order", fields=fields), content, ["account_id", "tax"])
    assert (found.rows, found.extras) == ([("7", "x")], ("note/@xml:lang",))
    found = table(Xml(record="orders/order", null=()), content, ["account", "note"])
    assert (found.rows, found.extras) == ([("", "")], ("account/@id", "account/@tax", "note/@xml:lang"))


def test_a_file_is_read_once(table, monkeypatch):
    sizes = []
    monkeypatch.setattr(os, "pread", lambda *args, read=os.pread: sizes.append(args[1]) or read(*args))
    content = "<orders>" + "<order id='1'><name>Ann</name></order>" * 20_000 + "</orders>"
    assert len(table(ORDERS, content, ["id", "name"]).rows) == 20_000
    assert sum(sizes) == len(content)


def test_a_long_record_is_read_once(table, monkeypatch):
    sizes = []
    monkeypatch.setattr("etl.sources.formats.xml_records._BLOCK_BYTES", 100)
    monkeypatch.setattr(os, "pread", lambda *args, read=os.pread: sizes.append(args[1]) or read(*args))
    content = (
        "<orders><order id='1'>" + "<name>Ann</name>" * 5_000 + "<!--" + "x" * 50_000 + "--></order></orders>"
    )
    assert table(ORDERS, content, ["id", "name"]).broken[0][2] == "name appears more than once"
    # the blocks grow with the record
    assert len(sizes) < 20


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "iso-8859-1", "cp1252", "gbk"])
def test_the_file_says_its_encoding(table, encoding):
    name = "utf-8" if encoding == "utf-8-sig" else encoding.removesuffix("-le")
    content = f"<?xml version='1.0' encoding='{name}'?><orders><order id='é'/></orders>".encode(encoding)
    assert table(ORDERS, content, ["id"]).rows == [("é",)]
    assert table(Xml(record="orders/order", fields={"id": "@id"}, encoding=encoding), content, ["id"]).rows == [
        ("é",)
    ]


def test_undecodable_bytes_are_kept_as_they_are(table):
    found = table(ORDERS, b"<orders><order id='1'/><order id='\xff'/></orders>", ["id"])
    assert found.places[1].text == r"<order id='\xff'/></orders>"
    assert found.places[1].raw == b"<order id='\xff'/></orders>"


def test_a_file_is_read_in_pieces(table, monkeypatch):
    monkeypatch.setattr("etl.sources.formats.xml_records._BLOCK_BYTES", 5)
    content = (
        "<orders>"
        + "".join(f"\n<order id='{n}'><name>{'é' * n}</name></order>" for n in range(1, 30))
        + "</orders>"
    )
    found = table(ORDERS, content, ["id", "name"])
    assert found.rows == [(str(n), "é" * n) for n in range(1, 30)]
    assert [place.line for place in found.places] == list(range(2, 31))


def test_hidden_cells_are_replaced_in_the_text():
    fmt = Xml(
        record="o/r",
        fields={"id": "@id", "city": "a/city", "no": "a/@no", "own": ".", "x": "p:x"},
        namespaces={"p": "u"},
    )
    text = '<r id="1">me<a no="2"><city> Bern </city></a><q:x xmlns:q="u">&lt;</q:x><name/></r>'
    names = ["id", "city", "no", "own", "x", "name"]
    hidden = dict.fromkeys(names, lambda value: f"#{value}")
    alone = fmt.redacted(text, names, hidden)
    assert alone == (
        '<r xmlns:ns0="u" id="#1">#me<a no="#2"><city>#Bern</city></a><ns0:x>#&lt;</ns0:x><name /></r>'
    )
    assert fmt.redacted("<r", names, hidden) is None
    assert fmt.redacted("<!DOCTYPE r><r/>", names, hidden) is None


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"record": ""}, "not a path of elements"),
        ({"record": "/orders"}, "not a path of elements"),
        ({"record": "a/b", "fields": {"x": "//y"}}, "Write one such as @id"),
        ({"record": "a/b", "fields": {"x": "p:y"}}, "prefix 'p'"),
        ({"record": "p:a"}, "prefix 'p'"),
        ({"record": "a", "encoding": "latin-99"}, "encoding"),
    ],
)
def test_wrong_options_are_told(options, message):
    with pytest.raises(ContractError, match=message):
        Xml(**options)


def test_the_options_survive_the_cache():
    fmt = Xml(record="a/b", null=["", "NA"], fields={"x": "@y"})
    assert format_from(json.loads(json.dumps(format_to(fmt)))) == fmt


TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="\ufffe\uffff"), max_size=6)


@FUZZ
@given(st.lists(st.tuples(TEXT, TEXT), max_size=4), st.sampled_from(["utf-8", "utf-16"]))
def test_what_a_writer_wrote_comes_back(table, rows, encoding):
    fmt = Xml(record="o/r", fields={"a": "@a"}, strip=False, null=(), encoding=encoding)
    content = "".join(f"<r a={quoteattr(a)}><b>{escape(b)}</b></r>" for a, b in rows)
    found = table(fmt, f"<o>{content}</o>".encode(encoding), ["a", "b"])
    assert (found.rows, found.broken) == (rows, [])


PIECES = st.lists(
    st.sampled_from(
        [
            b"<o>",
            b"</o>",
            b"<r>",
            b"</r>",
            b"<r a='1'/>",
            b"<a/>",
            b"<![CDATA[",
            b"]]>",
            b"<!--",
            b"-->",
            b"x",
            b"/>",
            b"&lt;",
        ]
    )
    | st.binary(max_size=3),
    max_size=12,
).map(b"".join)


@FUZZ
@given(
    PIECES,
    st.sampled_from(
        [Xml(record="o/r"), Xml(record="o/r", encoding="utf-16"), Xml(record="o/r").record_format([])]
    ),
)
def test_any_bytes_are_taken_apart(table, content, fmt):
    for whole in (content, b"<o>" + content, b"<o>" + content + b"</o>"):
        try:
            found = table(fmt, whole, ["a"])
        except UnreadableError:
            continue
        assert found.broken == [] or found.broken[-1][2].startswith("it is not XML")
