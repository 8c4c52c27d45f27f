"""Every type of PostgreSQL: what is published equals the server's own text, or is in quarantine with it."""

import json
from datetime import date, datetime, time
from decimal import Decimal

from tests.support import databases as db
from tests.support import tiny

#: Texts that some type or other takes for a value; each type is given all that it takes.
VALUES = [
    *("0", "1", "-1", "1.5", "NaN", "Infinity", "-Infinity", "1e20", "true", "f", "a", " a ", "é\U0001f600", ""),
    *("32767", "-2147483648", "9223372036854775807", "0.10", "12345678901234567890.123456789"),
    *("2024-02-29", "0001-01-01", "9999-12-31", "10000-01-01", "0044-03-15 BC", "infinity", "-infinity"),
    *("2024-02-29 12:34:56.000001", "2024-02-29 12:34:56+05:30", "12:34:56.5", "24:00:00", "12:34:56+05:30"),
    *("1 year 2 mons -3 days 04:05:06.7", "{}", "{1,null,3}", "{{1,2},{3,4}}", '{"a": [1, null]}', '{"a","b c"}'),
    *("(1,2)", "[1,5)", "{[1,5),[7,8)}", "[2024-01-01,2024-02-01)", "((1,2),(3,4))", "<(1,2),3>", "{1,2,3}"),
    *("192.168.0.1/24", "::1", "08:00:2b:01:02:03", "08:00:2b:01:02:03:04:05", "101", "\\xdeadbeef", "<a>b</a>"),
    *(
        "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
        "$.a[*]",
        "'a' & 'b'",
        "'a':1 'b':2",
        "0/16B3748",
        "(0,1)",
        "10:20:",
    ),
    *(
        "pg_class",
        "int4",
        "public",
        "shop",
        "english",
        "simple",
        "now",
        "=+",
        "shop=r/shop",
        "a=>1, b=>NULL",
        "a.b",
    ),
    *("happy", "YES", "978-0-393-04002-9", "1436-4522", "979-0-9016791-7-7", "220356483481", "1..2", "a.b|c"),
]
_PREPARE = """
create or replace function takes(value text, type text) returns boolean language plpgsql as $$
begin
    execute format('select %L::%s', value, type);
    return true;
exception when others then
    return false;
end $$;
create or replace function is_column(type text) returns boolean language plpgsql as $$
begin
    execute format('create temp table tried (c %s)', type);
    drop table tried;
    return true;
exception when others then
    return false;
end $$;
"""
#: The types that a column can have, but for the rows of the server's own tables.
_TYPES = """
with known as (select t.oid, t.typname, coalesce(e.typrelid, t.typrelid) as relation
               from pg_type t left join pg_type e on e.oid = t.typelem and t.typlen = -1)
select oid::regtype::text from known
where (relation = 0 or (select relnamespace = 'public'::regnamespace from pg_class where oid = relation))
    and is_column(oid::regtype::text) order by 1
"""
OWN = [
    "create type mood as enum ('sad', 'ok', 'happy')",
    "create domain positive as int check (value > 0)",
    "create domain tags as text[]",
    "create type pair as (a int, b text)",
    "create type span as range (subtype = float8)",
]
EXTENSIONS = ["hstore", "ltree", "citext", "cube", "isn", "seg", "intarray"]


#: Types that no text makes a value of: they are seen null only.
UNTRIED = {"ghstore", "gtsvector", "intbig_gkey", "ltree_gist", "pg_brin_bloom_summary", "pg_dependencies"}
UNTRIED |= {"pg_brin_minmax_multi_summary", "pg_mcv_list", "pg_ndistinct", "pg_node_tree"}


def types_of(server):
    """Return every type that a column of the server can have, after types of one's own are there."""
    db.run(server, _PREPARE, *OWN)
    there = {name for (name,) in db.ask(server, "select name from pg_available_extensions")}
    db.run(server, *(f"create extension {name}" for name in EXTENSIONS if name in there))
    return [name for (name,) in db.ask(server, _TYPES)]


def test_every_type_is_published_as_the_servers_text_or_is_in_quarantine_with_it(tmp_path, postgresql):
    types = types_of(postgresql)
    assert len(types) > 150
    db.run(postgresql, "create table held (id int primary key)")
    columns = [f"c{number}" for number in range(len(types))]
    added = ", ".join(f"add column {name} {type}" for name, type in zip(columns, types, strict=True))
    db.run(postgresql, f"alter table held {added}")
    taken = f"select t.i, v.i from unnest(array[{_texts(types)}]) with ordinality t(type, i), "
    taken += f"unnest(array[{_texts(VALUES)}]) with ordinality v(value, i) where takes(v.value, t.type)"
    per_type = {}
    for type, value in db.ask(postgresql, taken):
        per_type.setdefault(type - 1, []).append(VALUES[value - 1])
    assert {types[number] for number in range(len(types)) if number not in per_type} <= UNTRIED
    rows = [["null"] * len(types)]
    for number in range(max(map(len, per_type.values()))):
        row = [per_type.get(type, [])[number : number + 1] for type in range(len(types))]
        rows.append([_literal(found[0]) if found else "null" for found in row])
    cast = (", ".join(f"{text}::{type}" for text, type in zip(row, types, strict=True)) for row in rows)
    db.run(postgresql, *(f"insert into held values ({number}, {values})" for number, values in enumerate(cast)))
    fields = "".join(f"    {name}: str = pa.Field(nullable=True)\n" for name in columns)
    project = db.project(
        tmp_path,
        f"class Held(pa.DataFrameModel):\n    id: int\n{fields}\n"
        'held = Source(contract=Held, fetch=Table("SHOP_DSN", "public.held"))\n',
    )
    db.fetched(project)
    tiny.night(project, db.DAY)
    asked = ", ".join(f"{name}::text" for name in columns)
    assert not db.rejected(project, "held")
    published = tiny.published(project, f"select id, {', '.join(columns)} from raw.held order by id")
    server = db.ask(postgresql, f"select id, {asked} from held order by id")
    assert len(published) == len(server) == len(rows)
    differing = {
        types[place - 1]: (ours[place], theirs[place])
        for ours, theirs in zip(published, server, strict=True)
        for place in range(1, len(columns) + 1)
        if ours[place] != theirs[place]
    }
    assert differing == {}


def _literal(text):
    return "'" + text.replace("'", "''") + "'"


def _texts(texts):
    return ", ".join(map(_literal, texts))


#: By type of the server: how a contract declares it, and how a published value compares with the server's text.
DECLARED = {
    "boolean": ("pd.BooleanDtype", lambda text: text == "true"),
    "smallint": ("pd.Int16Dtype", int),
    "integer": ("pd.Int32Dtype", int),
    "bigint": ("pd.Int64Dtype", int),
    "real": ("float", lambda text: float(text)),
    "double precision": ("float", float),
    "numeric(12,2)": ("Annotated[pd.ArrowDtype, pyarrow.decimal128(12, 2)]", Decimal),
    "numeric": ("Annotated[pd.ArrowDtype, pyarrow.decimal128(38, 10)]", Decimal),
    "date": ("date", date.fromisoformat),
    "timestamp": ("pd.Timestamp", datetime.fromisoformat),
    "timestamptz": ("Annotated[pd.DatetimeTZDtype, 'us', 'UTC']", datetime.fromisoformat),
    "time": ("Annotated[pd.ArrowDtype, pyarrow.time64('us')]", time.fromisoformat),
    "bytea": ("Annotated[pd.ArrowDtype, pyarrow.binary()]", lambda text: bytes.fromhex(text[2:])),
    "int[]": ("Annotated[pd.ArrowDtype, pyarrow.list_(pyarrow.int32())]", None),
    "text[]": ("Annotated[pd.ArrowDtype, pyarrow.list_(pyarrow.string())]", None),
    "char(5)": ("str", str),
    "jsonb": ("str", str),
    "money": ("str", str),
    "interval": ("str", str),
}


def test_a_value_of_a_typed_column_is_the_servers_or_in_quarantine_with_its_text(tmp_path, postgresql):
    names = {type: f"c{number}" for number, type in enumerate(DECLARED)}
    columns = ", ".join(f"{name} {type}" for type, name in names.items())
    db.run(postgresql, _PREPARE, f"create table held (id int primary key, {columns})")
    taken = " union all ".join(
        f"select '{type}', value from unnest(array[{_texts(VALUES)}]) value where takes(value, '{type}')"
        for type in names
    )
    inserts = [
        f"insert into held (id, {names[type]}) values ({number}, {_literal(value)}::{type})"
        for number, (type, value) in enumerate(db.ask(postgresql, taken))
    ]
    db.run(postgresql, *inserts)
    fields = "".join(
        f"    {name}: {DECLARED[type][0]} = pa.Field(nullable=True)\n" for type, name in names.items()
    )
    project = db.project(
        tmp_path,
        f"class Held(pa.DataFrameModel):\n    id: int\n{fields}\n"
        'held = Source(contract=Held, max_rejects=1000, fetch=Table("SHOP_DSN", "public.held"))\n',
    )
    db.fetched(project)
    tiny.night(project, db.DAY)
    texts = [json.loads(text) for _, text in db.rejected(project, "held")]
    rejected = {int(one["id"]): one for one in texts}
    assert rejected and len(rejected) < len(inserts) / 2
    for type, name in names.items():
        shown = f"to_jsonb({name})::text" if DECLARED[type][1] is None else f"{name}::text"
        published = dict(tiny.published(project, f"select id, {name} from raw.held where {name} is not null"))
        for id, text in db.ask(postgresql, f"select id, {shown} from held where {name} is not null"):
            if id in rejected:
                assert rejected[id][name] == text, type
                assert id not in published
            else:
                expected = (DECLARED[type][1] or json.loads)(text)
                assert published[id] == expected or str(published[id]) == text.lower() == "nan", (type, text)
