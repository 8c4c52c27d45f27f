"""What `etl sniff` proposes for XML: cells that an attribute tells apart, and what is around a record."""

from tests.operations.sniffing.test_propose import extracted, sniffed

FEED = """<feed day="2024-03-01"><site id="07">
<item><at>1</at><value channel="in">7</value><value channel="out" n="4">8</value></item>
<item><at>2</at><value channel="in">9</value></item>
<item><at>3</at></item></site></feed>"""


def test_elements_that_a_word_tells_apart_are_columns_of_their_own(tmp_path):
    text = sniffed(tmp_path, FEED, "a_2024-03-01.xml").replace("\n", "")
    for column in ("feed_day", "site_id", "at", "value_in", "value_out", "n"):
        assert f"    {column}: " in text
    for path in ('"site_id": "../@id"', '"feed_day": "../../@day"', '"value_in": "value[@channel=\'in\']"'):
        assert path in text
    assert extracted(tmp_path, FEED, "a_2024-03-01.xml") == (3, 0)


def test_elements_that_are_numbered_are_not_told_apart(tmp_path):
    lines = ["".join(f'<line no="{no}">{no}</line>' for no in range(1, size)) for size in (3, 4)]
    content = f"<r>{''.join(f'<o>{line}</o>' for line in lines)}</r>"
    assert "='1'" not in sniffed(tmp_path, content, "a_2024-03-01.xml")
    assert extracted(tmp_path, content, "a_2024-03-01.xml")[1] == 0
