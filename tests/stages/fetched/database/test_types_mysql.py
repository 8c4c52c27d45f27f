"""Every type of MySQL: what is published equals the server's own text, or the value is in quarantine with it."""

import json
from datetime import date, datetime
from decimal import Decimal

from tests.support import databases as db
from tests.support import tiny

#: How a column is declared, its values as SQL, and how the server says them as text if a cast does not.
TYPES = {
    "tinyint": ("-128", "127"),
    "tinyint(1)": ("1", "0"),
    "smallint unsigned": ("65535",),
    "mediumint": ("-8388608",),
    "int unsigned zerofill": ("7", "4294967295"),
    "bigint": ("-9223372036854775808", "9223372036854775807"),
    "bigint unsigned": ("18446744073709551615",),
    "decimal(65,30)": ("-12345678901234567890123456789012345.123456789012345678901234567891", "0.1"),
    "decimal(12,2)": ("9999999999.99", "-0.01"),
    "float": ("1.5", "1e20", "-1.17549e-38"),
    "double": ("0.1", "1.7976931348623157e308", "-5e-324"),
    "bit(1)": ("b'1'",),
    "bit(64)": ("b'1111111111111111111111111111111111111111111111111111111111111111'",),
    "date": ("'2024-02-29'", "'0000-00-00'", "'9999-12-31'"),
    "datetime(6)": ("'2024-02-29 12:34:56.000001'", "'1000-01-01 00:00:00'", "'0000-00-00 00:00:00'"),
    "timestamp(3) null": ("'2024-02-29 12:34:56.789'",),
    "time(6)": ("'-838:59:59.000001'", "'12:00:00'"),
    "year": ("2024", "1901", "0"),
    "char(5)": ("'ab'", "''"),
    "varchar(50)": ("' é\U0001f600 % \\\\ \\' '", "'null'"),
    "longtext": ("repeat('x', 70000)",),
    "enum('small', 'large')": ("'large'",),
    "set('a', 'b', 'c')": ("'a,c'", "''"),
    "json": ("""'{"a": [1, null, "é"]}'""",),
    "uuid": ("'a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11'",),
    "inet6": ("'::1'",),
    "geometry": ("st_geomfromtext('POINT(1 2)')",),
    "polygon": ("st_geomfromtext('POLYGON((0 0,1 0,1 1,0 0))')",),
    "varbinary(20)": ("x'00deadbeef'", "''"),
    "longblob": ("x'ff'",),
}
#: The server's own text of a type whose value is no text.
TEXTS = {"bit": "{} + 0", "geo": "st_astext({})", "pol": "st_astext({})"}
TEXTS |= dict.fromkeys(("var", "lon"), "{}")


def server_text(type, column):
    if "binary" in type or "blob" in type:
        return f"concat('0x', lower(hex({column})))"
    shown = TEXTS.get(type[:3], "{}").format(column)
    return f"cast({shown} as char character set utf8mb4)"


def filled(server):
    """Make a table with a column of each type: a row of nulls, and a row for each value."""
    columns = {type: f"c{number}" for number, type in enumerate(TYPES)}
    made = ", ".join(f"{name} {type}" for type, name in columns.items())
    statements = ["set sql_mode = ''", f"create table held (id int auto_increment primary key, {made})"]
    statements += ["insert into held values ()"]
    statements += [f"insert into held ({columns[type]}) values ({v})" for type in TYPES for v in TYPES[type]]
    db.run_mysql(server, *statements)
    return columns


def test_every_type_is_published_as_the_servers_text(tmp_path, mariadb):
    columns = filled(mariadb)
    fields = "".join(f"    {name}: str = pa.Field(nullable=True)\n" for name in columns.values())
    project = db.project(
        tmp_path,
        f"class Held(pa.DataFrameModel):\n    id: int\n{fields}\n"
        'held = Source(contract=Held, fetch=Table("SHOP_DSN", "held"))\n',
    )
    db.fetched(project)
    tiny.night(project, db.DAY)
    assert not db.rejected(project, "held")
    for type, name in columns.items():
        published = tiny.published(project, f"select id, {name} from raw.held order by id")
        assert published == [*db.ask_mysql(mariadb, f"select id, {server_text(type, name)} from held order by id")]


#: By type of the server: how a contract declares it, and what the server's text means.
DECLARED = {
    "bigint": ("pd.Int64Dtype", int),
    "bigint unsigned": ("Annotated[pd.ArrowDtype, pyarrow.uint64()]", int),
    "decimal(12,2)": ("Annotated[pd.ArrowDtype, pyarrow.decimal128(12, 2)]", Decimal),
    "double": ("float", float),
    "tinyint(1)": ("pd.BooleanDtype", lambda text: text == "1"),
    "date": ("date", date.fromisoformat),
    "datetime(6)": ("pd.Timestamp", datetime.fromisoformat),
    "timestamp(3) null": (
        "Annotated[pd.DatetimeTZDtype, 'us', 'UTC']",
        lambda text: datetime.fromisoformat(f"{text}+00:00"),
    ),
    "varbinary(20)": ("Annotated[pd.ArrowDtype, pyarrow.binary()]", lambda text: bytes.fromhex(text[2:])),
}


def test_a_value_of_a_typed_column_is_the_servers_or_in_quarantine_with_its_text(tmp_path, mariadb):
    columns = filled(mariadb)
    fields = "".join(f"    {columns[type]}: {DECLARED[type][0]} = pa.Field(nullable=True)\n" for type in DECLARED)
    project = db.project(
        tmp_path,
        f"class Held(pa.DataFrameModel):\n    id: int\n{fields}\n"
        'held = Source(contract=Held, extra="ignore", max_rejects=99, fetch=Table("SHOP_DSN", "held"))\n',
        settings="timezone = Asia/Tokyo\n",
    )
    db.fetched(project)
    tiny.night(project, db.DAY)
    rejected = {int(one["id"]): one for one in (json.loads(text) for _, text in db.rejected(project, "held"))}
    assert len(rejected) == 2
    for type, (_, read) in DECLARED.items():
        name = columns[type]
        published = dict(tiny.published(project, f"select id, {name} from raw.held where {name} is not null"))
        asked = f"select id, {server_text(type, name)} from held where {name} is not null"
        for id, text in db.ask_mysql(mariadb, asked):
            if id in rejected:
                assert rejected[id][name] == text
            else:
                assert published[id] == read(text)
