"""How messages say numbers and lists."""

from etl.errors import counted, few


def test_a_number_and_its_noun_agree() -> None:
    assert [counted(n, "record") for n in (0, 1, 1204)] == ["0 records", "1 record", "1,204 records"]


def test_a_list_says_how_many_it_leaves_out() -> None:
    assert few([]) == ""
    assert few("abc") == "a, b, c"
    assert few(range(7)) == "0, 1, 2, 3, 4 and 2 more"
    assert few(range(5), 3, "; ") == "0; 1; 2 and 2 more"
