# Two commands do everything on a fresh machine: `make nightly` and `make test`.
PYTHON ?= python3
UNTIL ?= 2013-01-31
DATE ?=
BIN := .venv/bin

.PHONY: nightly test lint clean

# the batch date is in no file: the orders sample is of 2018, so the default takes every delivery
nightly: .venv/installed
	$(BIN)/luigi --module etl DeliveredSample --until $(UNTIL)
	$(BIN)/luigi --module etl Nightly $(if $(DATE),--date $(DATE))
	@echo
	@echo "The warehouse: $(CURDIR)/data/warehouse.duckdb. A query to try:"
	@echo
	@echo "  $(BIN)/etl sql 'select airline_name, count(*) as flights, avg(arr_delay_minutes) as avg_arr_delay_minutes from marts.flights group by all order by flights desc'"

test: .venv/installed .venv/oldest-client
	$(BIN)/python -m pytest -n auto

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build *.egg-info .mypy_cache .pytest_cache .ruff_cache

# the oldest DuckDB that opens what is published, for the tests; there may be no build of it for a newer Python
.venv/oldest-client: .venv/installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --only-binary :all: --target $@ duckdb==1.2.0 \
		|| echo "no duckdb 1.2.0 for this Python: its tests are skipped"

.venv/installed: setup.cfg pyproject.toml
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[sample,test,dev]'
	@touch $@
