PYTHON ?= python3
VENV := .venv
STAMP := $(VENV)/.setup-$(shell cat pyproject.toml requirements.lock | sha256sum | cut -c1-16)

.PHONY: help setup demo test lint bench-peers bench clean

help:
	@echo "make demo         set up, generate a market, backtest it, verify the run, write the tear sheet"
	@echo "make test         set up, run every test"
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
	@$(VENV)/bin/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
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

test: setup
	$(VENV)/bin/python -m pytest tests

lint: setup
	$(VENV)/bin/ruff check .
	$(VENV)/bin/mypy

bench-peers: setup
	$(VENV)/bin/python -m tests.benchmarks.peers.install

bench: setup
	$(VENV)/bin/sq bench core

clean:
	rm -rf build
