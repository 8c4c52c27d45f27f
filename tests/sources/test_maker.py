"""The Luigi task that a source names is read from its text: module, class and parameters."""

import keyword

import pytest
from hypothesis import given
from hypothesis import strategies as st

from etl.sources.maker import Maker, read_maker

names = st.from_regex(r"[A-Za-z_][A-Za-z_0-9]{0,8}", fullmatch=True).filter(
    lambda name: not keyword.iskeyword(name)
)
values = st.one_of(st.text(), st.integers(), st.booleans(), st.none(), st.lists(st.integers(), max_size=3))


@given(st.lists(names, min_size=1, max_size=3), names, st.dictionaries(names, values, max_size=3))
def test_what_is_written_is_what_is_read(module: list[str], name: str, options: dict[str, object]) -> None:
    written = f"{'.'.join(module)}.{name}"
    if options:
        written += f"({', '.join(f'{key}={value!r}' for key, value in options.items())})"
    assert read_maker(written) == Maker(".".join(module), name, options)
    assert read_maker(f"  {written} ") == read_maker(written)


@given(st.text())
def test_any_other_text_is_refused_in_a_sentence(text: str) -> None:
    try:
        found = read_maker(text)
    except ValueError as error:
        assert "Write it as module and class" in str(error)
    else:
        assert found.module and found.name.isidentifier()


@pytest.mark.parametrize(
    "text", ["crm.Export(**{})", "crm.Export(1)", "crm.Export(a=b)", "f().Export", "crm[0].Export"]
)
def test_what_would_have_to_be_run_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="Write it as module and class"):
        read_maker(text)
