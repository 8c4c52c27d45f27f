"""The sound records of a delivery as one relation, and which of its rows break which rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

from etl.contract import Rule, Unique
from etl.engine.quoting import identifier, literal
from etl.sources import Source
from etl.stages.lake import typing_sql
from etl.stages.lake.inputs import Input
from etl.stages.lake.place import Extraction
from etl.stages.raw import Delivery

#: How many characters of a value a message repeats.
_SHOWN_CHARACTERS = 100


class Breach(NamedTuple):
    """The name of a rule that a record breaks, and the value that breaks it, as text, if that may be shown."""

    rule: str
    value: str | None = None


#: The rules that records of one file break, by the records' numbers.
Broken = Mapping[int, Sequence[Breach]]

_MOST_SHARED = 10_000


class Breaches:
    """Makes the breaches of records from the names of rules, and from the columns `values` of a select list."""

    def __init__(self, source: Source, rules: Iterable[Rule]) -> None:
        self._shown = _shown(source, rules)
        columns = dict.fromkeys(self._shown.values())
        self._positions = {name: position for position, name in enumerate(columns)}
        #: The SQL of the values that messages may repeat, each after a comma.
        self.values = "".join(f", {_text(name)}" for name in columns)
        # millions of records can break the same rules with the same values
        self._shared: dict[tuple[object, ...], list[Breach]] = {}

    def of(self, names: Sequence[str], texts: Sequence[str | None]) -> list[Breach]:
        """Return the breaches of one record."""
        breaches = self._shared.get(key := (*names, None, *texts))
        if breaches is None:
            shown, positions = self._shown, self._positions
            breaches = [Breach(name, texts[positions[shown[name]]] if name in shown else None) for name in names]
            if len(self._shared) < _MOST_SHARED:
                self._shared[key] = breaches
        return breaches


def _shown(source: Source, rules: Iterable[Rule]) -> dict[str, str]:
    """Return the column whose value a message repeats, by the rule; no personal data, and no missing value."""
    known = set(typing_sql.value_names(source)) - source.masks.keys()
    silent = {f"{name}.{kind}" for name in known for kind in ("dtype", "not_nullable")}
    silent |= {unique.name for unique in source.contract.uniques if unique.severity == "error"}
    return {r.name: r.column for r in rules if r.column and r.column in known and r.name not in silent}


class Change(NamedTuple):
    """What people decided about records that were rejected: they are `excluded`, and `inputs` read besides.

    Both are told by the number of the file; `broken` are all the records that were rejected.
    """

    inputs: Sequence[Input]
    excluded: Mapping[int, Sequence[int]]
    broken: Mapping[int, Sequence[int]]


class Sound:
    """The rows of the views `sound` and `numbered`, from all files: `_file_number`, values, `_broken`.

    `numbered` has the record's number too, `_record`; numbering a CSV file takes one thread. With a `change`
    there is `_settled` as well: rows that were accepted without it, which no other row can push out.
    """

    def __init__(
        self, extraction: Extraction, delivery: Delivery, inputs: Sequence[Input], change: Change | None = None
    ) -> None:
        self._extraction, self._day, self._con = extraction, literal(delivery.date), extraction.con
        self._inputs = [*inputs, *change.inputs] if change else inputs
        self._is_changed, self._originals = change is not None, len(inputs)
        self._is_in_order = typing_sql.is_in_order(extraction.source)
        if change:
            self._remember("excluded", change.excluded)
            self._remember("unsound", change.broken)
        self.rules: dict[str, Rule] = {}
        self._groups = self._grouped()
        self._has_numbers = False
        self._python = extraction.python_rules(" union all by name ".join(map(self._values, self._groups)))
        warning = [*extraction.source.contract.rules, *self._python]
        self._warning = [rule for rule in warning if rule.severity == "warn"]
        self._view("sound", self._groups, is_numbered=False)
        self._uniques = [self._unique(number, unique) for number, unique in enumerate(self._unique_keys())]
        self.rules |= {rule.name: rule for rule in self._uniques}

    @property
    def kept(self) -> str:
        """The SQL of the relation of the rows that break no rule."""
        view = "numbered" if any("_record" in rule.sql for rule in self._uniques) else "sound"
        return f"(from {view} where _keeps and {typing_sql.keeps(self._uniques)})"

    def broken(self) -> dict[int, dict[int, list[Breach]]]:
        """Return the rules that rows break, by the number of the file and of the record."""
        doubled, numbered = typing_sql.broken(self._uniques), self._numbered()
        breaches = Breaches(self._extraction.source, self.rules.values())
        cursor = self._con.execute(
            f"select _file_number, _record, list_concat(_broken, {doubled}) as _names{breaches.values} "
            f"from {numbered} where not (_keeps and {typing_sql.keeps(self._uniques)}) "
            "order by _file_number, _record"
        )
        found: dict[int, dict[int, list[Breach]]] = {n: {} for n in range(len(self._inputs))}
        while rows := cursor.fetchmany(10_000):
            for number, record, names, *texts in rows:
                found[number][record] = breaches.of(names, texts)
        return found

    def warnings(self) -> dict[str, int]:
        """Return how many kept rows break each rule that only warns."""
        found: dict[str, int] = {}
        if self._warning:
            counts = ", ".join(f"count(*) filter (not ({rule.sql}))" for rule in self._warning)
            row = self._con.execute(f"select {counts} from {self.kept}").fetchall()[0]
            found = {rule.name: count for rule, count in zip(self._warning, row, strict=True) if count}
        if marks := typing_sql.mark_columns(self._extraction.source):
            mixed = typing_sql.mixed(self._extraction.source, self.kept, "0", "_file_number")
            for _, *counted in self._con.execute(mixed).fetchall():
                found |= typing_sql.mixed_counts(marks, counted)
        return found

    def _numbered(self) -> str:
        """Return the name of the view `numbered`, which is made when it is asked for: most files need none."""
        if not self._has_numbers:
            self._view("numbered", [[number] for number in range(len(self._inputs))], is_numbered=True)
            self._has_numbers = True
        return "numbered"

    def _view(self, name: str, groups: Sequence[Sequence[int]], is_numbered: bool) -> None:
        selects = []
        for numbers in groups:
            file = self._inputs[numbers[0]]
            python = [rule for rule in self._python if rule.severity == "error"]
            rules = [*typing_sql.rules(file, self._day), *python]
            self.rules |= {rule.name: rule for rule in rules}
            position = ["_record"] if is_numbered or self._is_changed else []
            number, chosen = str(numbers[0]), ""
            if len(numbers) > 1:
                number = f"({literal(numbers)})[(file_index + 1)::bigint]"
            if self._is_changed:
                is_settled = _is_none_of("unsound", numbers[0]) if numbers[0] < self._originals else "false"
                position.append(f"{is_settled} as _settled")
                chosen = f" where {_is_none_of('excluded', numbers[0])}"
            marks = "".join(f", {name}" for name in typing_sql.mark_columns(self._extraction.source).values())
            keys = "".join(
                f", {self._key(file, unique)} as _key_{n}" for n, unique in enumerate(self._unique_keys())
            )
            typed = self._typed(numbers, is_numbered or self._is_changed or self._is_in_order)
            selects.append(
                f"select {number} as _file_number, {', '.join([*position, *self._columns()])}{marks}{keys}, "
                # of kept rows this is never asked for, and so not computed
                f"{typing_sql.broken(rules) if is_numbered else '[]'} as _broken, _keeps "
                f"from (select *, {typing_sql.once(typing_sql.keeps(rules))} as _keeps from ({typed}){chosen})"
            )
        self._con.execute(f"create or replace temp view {name} as {' union all '.join(selects)}")

    def _grouped(self) -> list[list[int]]:
        """Return the files that are read at once: a thousand reads would take longer to plan than to do."""
        layouts: dict[object, list[int]] = {}
        for number, file in enumerate(self._inputs):
            layouts.setdefault(number if self._is_changed or self._is_in_order else file.layout, []).append(number)
        return list(layouts.values())

    def _remember(self, table: str, records: Mapping[int, Sequence[int]]) -> None:
        self._con.execute(f"create or replace temp table {table} (file_number bigint, record bigint)")
        for number, listed in records.items():
            self._con.execute(f"insert into {table} select ?, unnest(?::bigint[])", [number, list(listed)])

    def _values(self, numbers: Sequence[int]) -> str:
        return f"select {', '.join(self._columns())} from ({self._typed(numbers, self._is_in_order)})"

    def _typed(self, numbers: Sequence[int], is_numbered: bool) -> str:
        files = [self._inputs[number] for number in numbers]
        reader, paths, texts = files[0].opened.reader, [file.opened.file for file in files], files[0].texts
        if is_numbered:
            return typing_sql.typed(files[0], reader.numbered(paths[0], texts), "_record")
        return typing_sql.typed(files[0], reader.relation(paths, texts), "file_index")

    def _columns(self) -> list[str]:
        return [identifier(name) for name in typing_sql.value_names(self._extraction.source)]

    def _unique_keys(self) -> list[Unique]:
        return [unique for unique in self._extraction.source.contract.uniques if unique.severity == "error"]

    def _key(self, file: Input, unique: Unique) -> str:
        # a text that is no value is null by now, but no duplicate of a null
        readable = typing_sql.readable(file)
        keys = self._extraction.source.contract.key(unique)
        return f"row({', '.join([*keys, *(readable.get(name, 'true') for name in unique.columns)])})"

    def _unique(self, number: int, unique: Unique) -> Rule:
        """Return the rule of a key that occurs once; with the policy first or last, that one row may stay."""
        key, doubled = f"_key_{number}", f"doubled_{number}"
        policy = duplicates_policy(self._extraction.source, unique)
        self._con.execute(
            f"create or replace temp table {doubled} as "
            f"select {key} as _key from sound group by {key} having count(*) > 1"
        )
        has_any = self._con.execute(f"select count(*) from {doubled}").fetchall()[0][0] > 0
        sql = f"not ({key} in (select _key from {doubled}))" if has_any else "true"
        if has_any and policy != "quarantine":
            chosen = "min" if policy == "first" else "max"
            taken = (
                f"and not ({key} in (select {key} from {self._numbered()} where _settled)) "
                if self._is_changed
                else ""
            )
            self._con.execute(
                f"create or replace temp table chosen_{number} as "
                f"select {chosen}(row(_file_number, _record)) as _row from {self._numbered()} "
                f"where _keeps and {key} in (select _key from {doubled}) {taken}group by {key}"
            )
            sql = f"({sql} or row(_file_number, _record) in (select _row from chosen_{number}))"
        if has_any and self._is_changed:
            sql = f"(_settled or {sql})"
        return unique_rule(unique, sql)


def duplicates_policy(source: Source, unique: Unique) -> str:
    """Return which of the rows of one key stays: the `first`, the `last`, or with `quarantine` none."""
    # what the source says of duplicates goes before what the contract reports of them
    if source.duplicates != "quarantine":
        return source.duplicates
    return {"exclude_first": "first", "exclude_last": "last"}.get(unique.report, source.duplicates)


def unique_rule(unique: Unique, sql: str) -> Rule:
    """Return the rule of a key that occurs once, which holds where `sql` is true."""
    column = unique.columns[0] if len(unique.columns) == 1 else None
    return Rule(unique.name, sql, column, f"more than one record has the same {', '.join(unique.columns)}")


def _text(column: str) -> str:
    """Return the SQL of a value as a message repeats it: cut, with its length, if it is long."""
    text = f"{identifier(column)}::varchar"
    cut = f"left({text}, {_SHOWN_CHARACTERS}) || '... (' || length({text}) || ' characters)'"
    return f"case when length({text}) > {_SHOWN_CHARACTERS} then {cut} else {text} end"


def _is_none_of(table: str, number: int) -> str:
    """Return the SQL that is true for the records of a file which are not in `table`."""
    return f"_record not in (select record from {table} where file_number = {number})"
