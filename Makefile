# Two commands do everything on a fresh machine: `make nightly` and `make test`.
PYTHON ?= python3
UNTIL ?= 2013-01-31
DATE ?=
# a third of what the tests take is waiting
WORKERS ?= $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1)
BIN := .venv/bin
COG := PYTHONPATH=docs:. $(BIN)/cog
PAGES := README.md docs/*.md
INSTALL := -m pip install --quiet --disable-pip-version-check

.PHONY: daemons servers clusters nightly test lint docs guard counts bench browser linters vendor newest constraints clean

# the batch date is in no file: the orders sample is of 2018, so the default takes every delivery
nightly: .venv/installed
	$(BIN)/luigi --module etl DeliveredSample --until $(UNTIL)
	$(BIN)/luigi --module etl Nightly $(if $(DATE),--date $(DATE))
	@echo
	@echo "The warehouse: $(CURDIR)/data/warehouse.duckdb. A query to try:"
	@echo
	@echo "  $(BIN)/etl sql 'select airline_name, count(*) as flights, avg(arr_delay_minutes) as avg_arr_delay_minutes from marts.flights group by all order by flights desc'"

test: .venv/installed .venv/oldest-client
	$(BIN)/python -m pytest -n $(WORKERS)

lint: .venv/installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(COG) --check --diff $(PAGES)

# the tables in the pages that the code knows
docs: .venv/installed
	$(COG) -r $(PAGES)

# the work of three small nights, counted: more than benchmarks/counts.json has fails
guard: .venv/installed
	$(BIN)/python benchmarks/counts.py

counts: .venv/installed
	$(BIN)/python benchmarks/counts.py --write

# all benchmarks into benchmarks/RESULTS.md, and what the README quotes of it; BENCH="--quick" is less
bench: .venv/installed
	$(BIN)/python benchmarks/bench.py $(BENCH)
	$(COG) -r $(PAGES)

# what the tests of the report in a browser need; what cannot be had is said, and they are skipped
browser: .venv/installed
	$(BIN)/python $(INSTALL) --constraint constraints.txt --editable '.[browser]' || echo "no playwright"
	cd tools/vendor && npm ci --ignore-scripts --no-audit --no-fund || echo "no npm: axe-core lacks"
	command -v chromium || { apt-get -qq update && apt-get -qq install -y --no-install-recommends chromium; } \
		|| echo "no chromium"

# the daemons that tests start; those that cannot be had are said, and their tests are skipped
daemons:
	command -v cron || { apt-get -qq update && apt-get -qq install -y --no-install-recommends cron; } || echo "no cron"
	ls /usr/lib/postgresql/*/bin/postgres || { apt-get -qq update && apt-get -qq install -y postgresql; } \
		|| echo "no postgresql"
	ls /usr/lib/postgresql/*/lib/wal2json.so \
		|| apt-get -qq install -y "postgresql-$$(ls /usr/lib/postgresql | sort -n | tail -1)-wal2json" || echo "no wal2json"
	command -v mariadb-install-db || { apt-get -qq update && apt-get -qq install -y --no-install-recommends mariadb-server; } \
		|| echo "no mariadb"
	odbcinst -q -d -n "MariaDB Unicode" || { apt-get -qq update && apt-get -qq install -y --no-install-recommends unixodbc odbcinst \
		odbc-postgresql odbc-mariadb; } || echo "no drivers of ODBC"

# the servers of buckets and the brokers that tests start; those that cannot be had are said, and their tests are skipped
servers: .venv/installed .venv/azurite
	$(BIN)/python $(INSTALL) --constraint constraints.txt --editable '.[servers]' || echo "no moto"
	command -v redis-server && command -v mosquitto_sub && command -v nats-server || { apt-get -qq update && \
		apt-get -qq install -y --no-install-recommends redis-server mosquitto mosquitto-clients nats-server; } || echo "no brokers"

# the clusters that tests start, beside the other packages: pandera imports what it finds of them; of Spark where there is a
# Java; what cannot be had is said, and its tests are skipped
clusters: .venv/installed
	ls .venv/cluster/distributed || $(BIN)/python $(INSTALL) --constraint constraints.txt --target .venv/cluster distributed \
		|| echo "no Dask"
	command -v java && { ls .venv/cluster/pyspark .venv/cluster/grpc_status || $(BIN)/python $(INSTALL) --constraint constraints.txt \
		--target .venv/cluster --upgrade pyspark grpcio grpcio-status googleapis-common-protos zstandard; } || echo "no Spark"

# what looks at the files of deploy/; what cannot be had is said, and its tests are skipped
linters: .venv/installed
	$(BIN)/python $(INSTALL) --constraint constraints.txt --editable '.[linters]' || echo "no linters"

# the libraries of the report, made again from their lock; needs npm
vendor:
	cd tools/vendor && npm ci --ignore-scripts --no-audit --no-fund
	$(PYTHON) tools/vendor/vendor.py

# the suite, lint and types with the newest release of everything, past the bounds of setup.cfg too
newest:
	$(PYTHON) .ci/newest.py

# after the suite has passed: the versions that it passed on
constraints: .venv/installed
	{ sed '/^[^#]/d' constraints.txt; $(BIN)/python -m pip freeze --all --exclude-editable --exclude pip; } > .venv/constraints
	mv .venv/constraints constraints.txt

clean:
	rm -rf .venv .venv-newest build *.egg-info .mypy_cache .pytest_cache .ruff_cache

# the oldest DuckDB that opens what is published, for the tests; there may be no build of it for a newer Python
.venv/oldest-client: .venv/installed
	$(BIN)/python $(INSTALL) --only-binary :all: --target $@ duckdb==1.2.0 \
		|| echo "no duckdb 1.2.0 for this Python: its tests are skipped"

# the server of Azure's buckets; needs npm
.venv/azurite: .venv/installed
	npm install --prefix $@ --ignore-scripts --no-audit --no-fund --no-save azurite@3.37.0 || echo "no npm: no Azurite"

.venv/installed: setup.cfg pyproject.toml constraints.txt
	$(PYTHON) -m venv .venv
	$(BIN)/python $(INSTALL) --constraint constraints.txt --editable '.[sample,test,dev]' || { \
		echo "A version in constraints.txt cannot be installed here: taking what setup.cfg allows."; \
		$(BIN)/python $(INSTALL) --editable '.[sample,test,dev]'; }
	@touch $@
