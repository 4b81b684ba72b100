PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.setup-$(shell cat pyproject.toml requirements.lock | sha256sum | cut -c1-16)

.PHONY: help setup services demo check test test-long test-broker simulate image lint bench-peers bench clean

help:
	@echo "make demo         set up, generate a market, backtest it, verify the run, write the tear sheet"
	@echo "make check        set up, run lint, types and the fast tests of what is pure: under three minutes"
	@echo "make test         set up, run the tests: units, properties, 2,000 simulated schedules, a smoke on a real broker"
	@echo "make test-long    set up, run the long tests whole; TURN=N: the N-th eighth of them"
	@echo "make test-broker  set up, run every fault on real brokers (Java 21 or newer and Maven are needed)"
	@echo "make simulate     run N=10000 simulated schedules of the live runner"
	@echo "make services     as root on Debian: the servers that some tests use (PostgreSQL, Prometheus, Alertmanager)"
	@echo "make image        build the container image (a container engine is needed)"
	@echo "make lint         style and types"
	@echo "make setup        make $(VENV) with the locked packages and the sq command"
	@echo "make bench-peers  install the peers that 'sq bench' measures against, in environments of their own"
	@echo "make bench        measure, into build/bench.json"
	@echo "make clean        remove build/"

setup: $(STAMP)
	@echo "setup: ready; $(VENV)/bin/sq --help"

$(STAMP):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 2; }
	@test -x $(VENV)/bin/python || $(PYTHON) -m venv $(VENV)
	@echo "setup: installing locked packages into $(VENV)"
	@$(PYTHON) infra/environment.py $(VENV)/bin/python requirements.lock
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@rm -f $(VENV)/.setup-*
	@touch $@

DEMO := build/demo

# A generated market of 26 hours, traded, proved and reported. Minutes, seed and strategy: change them here or in the file.
demo: setup
	@rm -rf $(DEMO)
	$(VENV)/bin/sq generate --minutes 1560 --seed 7 --out $(DEMO)/market
	$(VENV)/bin/sq backtest $(DEMO)/market --config docs/examples/demo.toml --out $(DEMO)/run
	$(VENV)/bin/sq verify $(DEMO)/run
	@echo "open $(CURDIR)/$(DEMO)/run/report.html in a browser"

# What is not there is no error: tests that need it are skipped, counted, and say why.
services:
	@test "$$(id -u)" = 0 || { echo "services: only root installs packages; without them some tests are skipped"; exit 0; }
	@command -v apt-get > /dev/null || { echo "services: no apt-get here; without the packages some tests are skipped"; exit 0; }
	@if ! ls /usr/lib/postgresql/*/bin/initdb > /dev/null 2>&1 || ! command -v promtool > /dev/null || ! command -v prometheus-alertmanager > /dev/null; then \
	  echo "services: installing PostgreSQL, Prometheus, Alertmanager"; \
	  (apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends postgresql prometheus prometheus-alertmanager) > /dev/null 2>&1 \
	    || echo "services: not everything could be installed; tests that need it are skipped"; fi

# Two processes, each with the tests of whole files: TEST_PROCESSES=1 runs them one after the other. MORE: more options for pytest.
TEST_PROCESSES ?= 2

# The few broker tests of this lane share a broker, which lives for minutes: code that the JVM's second compiler made would not pay for itself.
test: export SQ_TEST_SHARE_SERVICES := 1
test: export JAVA_TOOL_OPTIONS := -XX:TieredStopAtLevel=1
PURE := aggregation numeric portfolio reporting risk routing schemas signals toxicity venue

check: setup
	$(VENV)/bin/python -m pytest $(PURE:%=tests/%) tests/test_*.py -m "not broker and not long" -n $(TEST_PROCESSES) --dist loadfile $(MORE)

test: setup
	$(VENV)/bin/python -m pytest tests -m "(not broker or smoke) and not long" -n $(TEST_PROCESSES) --dist loadfile --durations=10 $(MORE)

test-long: setup
	$(VENV)/bin/python -m pytest tests -m "long" -n $(TEST_PROCESSES) --dist loadfile --durations=10 $(TURN:%=--turn %) $(MORE)

test-broker: setup
	$(VENV)/bin/python -m pytest tests -m "broker" -n $(TEST_PROCESSES) --dist loadfile --durations=10 $(MORE)

simulate: setup
	$(VENV)/bin/python -m tests.simulation --schedules $(or $(N),10000) --processes 2

image: setup
	$(VENV)/bin/python -m infra.image.build

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench-peers: setup
	$(VENV)/bin/python -m tests.benchmarks.peers.install

bench: setup
	$(VENV)/bin/sq bench core

clean:
	rm -rf build
