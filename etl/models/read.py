"""Reading sql/: every file is parsed, bound to the tables that it reads, and put in order."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from etl import contract
from etl.contract.audit import BATCH_DATE, Audit
from etl.contract.audit_kinds import check_tables
from etl.engine.blank import blank_database
from etl.engine.quoting import set_variable
from etl.errors import ModelError
from etl.models.binding import Bound, with_columns
from etl.models.commands import beside
from etl.models.context import NOTHING, Context
from etl.models.described import description_of, first_sentence
from etl.models.features import check_feature, of_features, widened
from etl.models.header import read_audits, read_header
from etl.models.inputs import check_storage, stored, with_added, with_inputs
from etl.models.kinds import KINDS
from etl.models.log import LOG_NAMES
from etl.models.macros import FOLDER as MACROS
from etl.models.macros import MacroText, make_macro, read_macros, used
from etl.models.misplaced import check_misplaced
from etl.models.model import Given, Macro, Model, Models
from etl.models.names import table_name
from etl.models.programs import Program, read_programs
from etl.models.query import Query, parse
from etl.models.seeds import read_seeds
from etl.models.spark_sql import on_spark
from etl.project.files import project_files
from etl.project.installed import digest_of_code, version_of

if TYPE_CHECKING:
    import duckdb

_AUDITS = "audits"
#: The line that lets an audit roll back what is published, and what is nearly that.
_ROLLBACK = re.compile(r"\s*--+\s*roll[_-]?back\s*([:=].*)?\s*", re.IGNORECASE)
_TESTS = "test_"
#: What is read of a project's sql/.
_SUFFIXES = (".sql", ".csv", ".py")
#: The folder of the models that a project need not have: another one is named in luigi.cfg.
_USUAL = "sql"


def models_key(folder: Path, given: Iterable[Given], context: Context = NOTHING) -> str:
    """Return a text that changes when a file under sql/, the given tables, DuckDB or this package changes."""
    code = [digest_of_code(Path(str(module)).parent) for module in (contract.__file__, __file__)]
    digest = hashlib.sha256(f"{version_of('duckdb')} {code} {sorted(map(repr, given))} {context}".encode())
    for path in project_files(folder, *_SUFFIXES):
        digest.update(f"\0{path.relative_to(path.parents[1])}\0".encode())
        content = b"" if is_test(path) else path.read_bytes()
        digest.update(content)
        if path.suffix == ".py" and (used := beside(folder, content)):
            digest.update(f"\0{used}".encode())
    return digest.hexdigest()


def is_test(path: Path) -> bool:
    """Return whether a file under sql/ holds tests of a model, by its name."""
    return path.suffix == ".sql" and path.name.startswith(_TESTS)


def read_models(folder: Path, given: Sequence[Given], context: Context = NOTHING) -> Models:
    """Read every file of `folder`; `given` are the tables that exist without a model (raw.*).

    Raises ModelError naming file and line for text that is not exactly one SELECT, a table or a column that is
    not there, a wrong header, a seed that does not keep its contract, and a circle of models.
    """
    if not folder.is_dir() and folder.name != _USUAL:
        raise ModelError(f"The folder of the models, {folder}, does not exist. Set [etl] sql in luigi.cfg.")
    for path in (path for path in project_files(folder, *_SUFFIXES) if path.suffix not in _SUFFIXES):
        file, suffix = f"{folder.name}/{path.relative_to(folder).as_posix()}", path.suffix
        raise ModelError(f"{file}: nothing reads a file with the suffix {suffix}. Rename it to {suffix.lower()}.")
    with blank_database() as con:
        for variable, value in context.variables.items():
            con.execute(set_variable(variable, value))
        bound = Bound(con, given)
        macros = read_macros(con, folder)
        queries = _queries(con, folder, context)
        programs = read_programs(folder, context)
        if context.learned:
            from etl.models.trained.tables import derived_programs

            derived = derived_programs(folder, context.learned)
            _check_once(programs, derived)
            programs |= derived
        _check_once(queries, programs)
        queries |= of_features(con, queries)
        made = {*programs, *(name for name in queries if not _is_audit(name))}
        known = {*(table.name for table in given), *made}
        for query in (*queries.values(), *(query for macro in macros.values() for query in macro.queries)):
            query.check_tables(known - LOG_NAMES if query.is_audit else known)
            query.check_variables({**context.variables, **({BATCH_DATE: ""} if query.is_audit else {})})
            query.check_functions({*macros})
            _use(query, used({*query.functions, *query.table_functions}, macros), context)
        make = _Making(con, macros)
        reads = {name: queries[name].reads() if name in queries else programs[name].reads for name in made}
        files = {name: queries[name].file if name in queries else programs[name].file for name in made}
        dated = {table.name: table.partition for table in given if table.partition}
        models: dict[str, Model] = {}
        for name in _ordered(reads, files):
            if name in programs:
                models[name] = _program(programs[name], known, bound, models)
                continue
            make.all(macro for macro, _ in queries[name].macros)
            if queries[name].features:
                wide = queries[name] = widened(queries[name], bound, models)
                _use(wide, used({*wide.functions, *wide.table_functions}, macros), context)
            models[name] = _model(name, queries[name], bound, dated, models)
        models |= on_spark(con, models, context.variables)
        make.all(macros)
        columns = bound.all_columns()
        audits = {name: _audit(name, query, bound) for name, query in queries.items() if _is_audit(name)}
        headers = {name: (query.file, query.text) for name, query in queries.items() if name in made}
        headers |= {name: (program.file, program.header_text) for name, program in programs.items()}
        audits |= _built_in(headers, known, bound, context.training)
    for name, model in models.items():
        models[name] = model if model.columns else replace(model, columns=columns[name])
    return Models(models, audits, {name: _macro(macro, context) for name, macro in macros.items()})


@dataclass
class _Making:
    """The macros that are made so far; one can be as soon as the tables that it reads are there."""

    con: duckdb.DuckDBPyConnection
    macros: Mapping[str, MacroText]
    made: set[str] = field(default_factory=set)

    def all(self, names: Iterable[str]) -> None:
        """Make those of `names`, which are in order, that are not made yet."""
        for name in names:
            if name not in self.made:
                make_macro(self.con, self.macros[name])
                self.made.add(name)


def _use(query: Query, macros: Mapping[str, MacroText], context: Context) -> None:
    """Let the macros and variables that a SELECT uses be part of what it reads and of what it is."""
    texts = [text for macro in macros.values() for text in macro.queries]
    query.macros = tuple((name, macro.sql) for name, macro in macros.items())
    query.more_reads = {*query.features, *(read for text in texts for read, _ in text.tables)}
    query.uses_distinct_on = any(text.has_distinct_on() for text in texts)
    variables = {*query.variables, *(name for text in texts for name in text.variables)}
    notes = [macro.normal for macro in macros.values()]
    # the batch date is another each night: an audit that reads it is not what it was
    notes += [f"variable {name} = {context.variables.get(name, '')}" for name in sorted(variables)]
    query.normal = "\n-- ".join([query.normal, *notes])


def _macro(macro: MacroText, context: Context) -> Macro:
    variables = {name: context.variables[name] for query in macro.queries for name in query.variables}
    return Macro(macro.name, macro.sql, f"{macro.normal} {variables}" if variables else macro.normal)


def _queries(con: duckdb.DuckDBPyConnection, folder: Path, context: Context) -> dict[str, Query]:
    names, texts = {}, {}
    for file, name, text in read_seeds(con, folder, context):
        names[file], texts[file] = name, text
    for path in project_files(folder, ".sql"):
        if path.parent == folder / MACROS:
            continue
        file = f"{folder.name}/{path.relative_to(folder).as_posix()}"
        if is_test(path):
            _check_test(path, file)
            continue
        names[file], texts[file] = table_name(path.relative_to(folder), file), _text(path, file)
    first: dict[str, str] = {}
    for file, name in names.items():
        if (other := first.setdefault(name, file)) != file:
            raise ModelError(f"{file}: {other} already makes {name}. Remove one of them.")
    queries = {names[file]: query for file, query in parse(con, texts).items()}
    for name, query in queries.items():
        query.is_audit = _is_audit(name)
    return queries


def _check_once(queries: Mapping[str, Query | Program], programs: Mapping[str, Program]) -> None:
    """Raise for a table that is made twice."""
    for name, program in programs.items():
        if name in queries:
            raise ModelError(f"{program.file}: {queries[name].file} already makes {name}. Remove one of them.")


def _check_test(path: Path, file: str) -> None:
    """Raise for a file that is not a test and would silently be left out of the night."""
    if not re.search(r"^\s*--\s*test:", _text(path, file), re.MULTILINE):
        raise ModelError(
            f"{file}:1: a file called {_TESTS}*.sql holds tests of models, and this one has no line "
            "`-- test: ...`. If it is a model, rename the file."
        )


def _text(path: Path, file: str) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError as error:
        raise ModelError(f"{file}: the file is not UTF-8 text: {error}.") from error


def _is_audit(name: str) -> bool:
    return name.startswith(f"{_AUDITS}.")


def _model(name: str, query: Query, bound: Bound, dated: dict[str, str], known: Mapping[str, Model]) -> Model:
    """Bind a model whose upstream tables are there already; add it to them, and to `dated` if it is."""
    header, lines = read_header(query.file, query.text)
    check_misplaced(query.file, query.text)
    _rolls_back(query)
    kind = KINDS[header.materialized]
    bound.bind(name, query, kind)
    model = Model(
        name,
        query.file,
        query.sql,
        query.normal,
        reads=query.reads(),
        header=header,
        macros=query.macros,
        description=description_of(query.text),
    )
    named = (header.partition, header.key, header.unit, header.column, header.entity, header.known)
    if any(named) or not kind.is_plain:
        model = with_columns(replace(model, columns=bound.columns(name)), lines)
        check_feature(model, lines)
    if not kind.is_stored:
        return model
    header = model.header
    model = with_inputs(with_added(model, bound, known), lines, bound, dated, known)
    check_storage(model, lines)
    if model.stored != model.columns:
        bound.define(name, model.stored)
    if kind.is_partitioned:
        dated[name] = header.partition
    return model


def _audit(name: str, query: Query, bound: Bound) -> Audit:
    match = re.match(r"-- (fail|warn): (\S.*)", query.text)
    if not match:
        raise query.error(
            "the first line of an audit must be `-- fail: why it matters` or `-- warn: why it matters`"
        )
    if not query.tables:
        raise query.error("the audit reads no table. An audit is a SELECT of offending rows")
    bound.check(query)
    severity = "error" if match[1] == "fail" else "warn"
    why = match[2].strip()
    is_dated = BATCH_DATE in query.variables
    reads, macros = query.reads(), query.macros
    rolls_back = _rolls_back(query)
    if rolls_back and severity != "error":
        raise query.error(
            "an audit that only warns cannot roll back. Begin it with `-- fail:`, or drop `-- rollback`"
        )
    return Audit(
        name,
        query.file,
        query.sql,
        query.normal,
        reads=reads,
        severity=severity,
        why=why,
        is_dated=is_dated,
        rolls_back=rolls_back,
        macros=macros,
    )


def _rolls_back(query: Query) -> bool:
    """Return whether the header of an audit has the line `-- rollback`; ModelError if it stands elsewhere."""
    is_above, found = True, False
    for line in query.text.splitlines():
        is_above = is_above and (not line.strip() or line.lstrip().startswith("--"))
        asked = _ROLLBACK.fullmatch(line)
        if asked and not query.is_audit and not asked[1]:
            what = "only an audit in sql/audits can have `-- rollback`. Move what is to be checked there"
            raise query.error(what)
        if asked and query.is_audit:
            if not is_above or asked[1]:
                raise query.error("the line `-- rollback` stands by itself above the SELECT of an audit")
            found = True
    return found


def _built_in(
    headers: Mapping[str, tuple[str, str]], known: set[str], bound: Bound, training: Mapping[str, str]
) -> dict[str, Audit]:
    """Return the audits that the headers of models ask for, by name; `headers` are their files and texts."""
    asked = (read_audits(name, file, text, training.get(name, "")) for name, (file, text) in headers.items())
    found = [audit for audits in asked for audit in audits]
    check_tables(found, known)
    bound.check_audits(found)
    return {audit.name: audit for audit in found}


def _ordered(reads: Mapping[str, Sequence[str]], files: Mapping[str, str]) -> list[str]:
    """Return the names of models, each after those that it reads."""
    done: dict[str, None] = {}

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            circle = " -> ".join([*path[path.index(name) :], name])
            raise ModelError(f"{files[name]}:1: models read each other in a circle: {circle}.")
        if name in reads and name not in done:
            for upstream in reads[name]:
                visit(upstream, (*path, name))
            done[name] = None

    for name in sorted(reads):
        visit(name, ())
    return list(done)


def _program(program: Program, known: set[str], bound: Bound, models: Mapping[str, Model]) -> Model:
    """Add a Python model to the tables that are there."""
    program.check_tables(known)
    if program.role:
        from etl.models.trained.tables import Derived, with_columns_of

        assert isinstance(program, Derived)
        program = with_columns_of(program, bound.columns(program.learned.features))
    bound.define(program.name, program.columns)
    whole = tuple(sorted(stored({*program.reads} - {*program.tolerates}, models)))
    header = replace(program.header, materialized=program.kind.name)
    return Model(
        program.name,
        program.file,
        "",
        program.normal,
        reads=program.reads,
        header=header,
        columns=program.columns,
        whole=whole,
        role=program.role,
        label=program.label,
        time=program.time,
        description=description_of(program.header_text) or first_sentence(program.docstring),
    )
