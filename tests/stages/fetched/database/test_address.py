"""Addresses of databases: what is secret in one is never said."""

import pytest

from etl.errors import FetchError
from etl.stages.fetched.kinds.database.address import Address


def address(text):
    return Address.read("SHOP_DSN", {"SHOP_DSN": text})


@pytest.mark.parametrize(
    ("text", "kind", "masked", "secrets"),
    [
        (
            *("postgresql://ann:ge%20heim@db:5432/shop?sslmode=require", "postgresql"),
            *("postgresql://ann:***@db:5432/shop", ["ge heim", "ge%20heim"]),
        ),
        ("postgres://db/shop", "postgresql", "postgres://db/shop", []),
        ("postgres://ann@db/shop?password=geheim", "postgresql", "postgres://ann@db/shop", ["geheim"]),
        ("mysql+pymysql://ann:geheim@db/shop", "mysql", "mysql://ann:***@db/shop", ["geheim"]),
        ("mariadb://ann:ge%40heim@db/shop", "mysql", "mariadb://ann:***@db/shop", ["ge@heim", "ge%40heim"]),
        ("postgres://db/shop?password=a@gehe.im", "postgresql", "postgres://db/shop", ["a@gehe.im"]),
        ("postgres://ann:geheim@[::1]:5433/shop", "postgresql", "postgres://ann:***@[::1]:5433/shop", ["geheim"]),
        ("postgres:///shop?host=/run/pg", "postgresql", "postgres:///shop", []),
        ("sqlite:///data/shop.db", "sqlite", "sqlite:shop.db", []),
        (
            *("odbc:Driver={ODBC Driver 18 for SQL Server};Server=db,1433;UID=ann;PWD={ge}}heim;}", "odbc"),
            *("odbc:driver={ODBC Driver 18 for SQL Server};server=db,1433", ["ge}heim;", "ge}}heim;"]),
        ),
        ("odbc:DSN=shop;uid=ann;Password=geheim", "odbc", "odbc:dsn=shop", ["geheim"]),
        ("odbc:DSN=shop;AccessToken=geheim", "odbc", "odbc:dsn=shop", ["geheim"]),
    ],
)
def test_an_address_is_said_without_its_password(text, kind, masked, secrets):
    found = address(text)
    assert (found.kind, found.shown) == (kind, masked)
    said = found.without_secrets(f"cannot reach {text}, {' '.join(secrets)} was refused")
    assert not [secret for secret in secrets if secret in said]
    assert said.startswith("cannot reach ") and said.endswith(" was refused")


def test_no_address_is_printed_by_accident():
    assert "geheim" not in repr(address("postgresql://ann:geheim@db/shop"))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "SHOP_DSN is not set"),
        ("geheim", "does not hold the address"),
        ("geheim:5432/shop", "does not hold the address"),
        ("postgesql://ann:geheim@db/shop", "Did you mean postgresql?"),
        ("oracle://ann:geheim@db/shop", "It begins with one of"),
        *((f"postgresql://ann:ge{mark}heim@db/shop", "%40 for @") for mark in "@:/#?[% "),
        ("odbc:", "is not set|cannot be taken apart"),
        ("odbc:DSN=shop;PWD=ge;heim", "cannot be taken apart"),
        ("odbc:DSN=shop;PWD={geheim", "cannot be taken apart"),
        ("mysql://ann:geheim@db,other:port/shop", "cannot be taken apart"),
    ],
)
def test_what_is_no_address_is_refused_without_saying_it(text, said):
    with pytest.raises(FetchError, match=said) as raised:
        address(text)
    assert "heim" not in str(raised.value)
