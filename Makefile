# One way to do each chore. `make run` and `make test` need nothing but Python 3.11 or newer.

PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
WORKERS_FOR_TESTS ?= auto
ENGINES ?= found
IN_WORKERS = -n $(WORKERS_FOR_TESTS) --dist worksteal
FAST = not browser and not engine
# Each server that a test starts would compile the console again.
unexport PYTHONDONTWRITEBYTECODE
export PIP_DISABLE_PIP_VERSION_CHECK = 1

# The stamps are looked at each time.
.PHONY: always help run install test test-fast test-postgres test-second test-browser test-engines sizes check sbom format lock messages bench prove mutants mutants-here clean

help:
	@echo "make run      set up and serve the console on http://localhost:8000"
	@echo "make test     set up and run every test, on SQLite and PostgreSQL, in Chromium, and in other browsers that are here"
	@echo "make check    format, lint, security, types, import contracts, dependencies, templates, containers, deployment"
	@echo "make sbom     what the console is built of, as CycloneDX's JSON, into build/sbom.json"
	@echo "make sizes    every page at every width and zoom: what is cut, covered or scrolls without need"
	@echo "make format   let the formatters rewrite the code"
	@echo "make lock     resolve the dependencies again (needs uv)"
	@echo "make messages bring the translation catalogues up to date"
	@echo "make bench    measurements beside what is to be reached; BENCH='--keys 20000 --rows list' does less of it"
	@echo "make mutants  small changes of the code that guards secrets, and which of them no test notices; see docs/mutation.md"
	@echo "make prove    kills, crashes, guesses, races, generated requests: what holds, in a table; PROVE=--short does less of it"

run: $(VENV)/run.stamp
	@exec $(BIN)/python manage.py serve

install: $(VENV)/dev.stamp

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; name one with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || { echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }

# A stamp is a copy of the lock that was installed: times say nothing in an image, or after git checkout.
define install_locked
	@cmp -s $(1) $@ || { \
	  test -w $(VENV) || { echo "$(VENV) does not hold the packages of $(1) and cannot be written: run make where it can."; exit 1; }; \
	  echo "Installing the locked packages…"; \
	  $(BIN)/python -m pip install --quiet --require-hashes -r $(1) && cp $(1) $@; }
endef

$(VENV)/run.stamp: always | $(BIN)/python
	$(call install_locked,requirements.txt)

$(VENV)/dev.stamp: always | $(BIN)/python
	$(call install_locked,requirements-dev.txt)

always:

# The engines last, so that the last line of all says which was not tried, and the command that gets it.
test: test-fast test-second test-browser
	@$(BIN)/python -m tests.engines $(ENGINES) -n $(WORKERS_FOR_TESTS)

test-fast: $(VENV)/dev.stamp
	$(BIN)/python -m pytest -m "$(FAST) and not postgres" $(IN_WORKERS)

# The same tests with every database on a PostgreSQL server, which is installed where it may be and ends with them; not
# those that are about no database.
test-postgres: $(VENV)/dev.stamp
	$(BIN)/python -m tests.postgres $(BIN)/python -m pytest -m "$(FAST) and not sqlite and not once" $(IN_WORKERS)

# The lock holds two Djangos, one for Python 3.11 and one for newer Pythons: the other one runs on PostgreSQL, where a
# Python for it is found.
test-second: $(VENV)/dev.stamp
	@other=$$($(BIN)/python -m tests.other_python) && if [ -n "$$other" ]; then \
	  $(MAKE) --no-print-directory VENV=.venv-other PYTHON="$$other" test-postgres; \
	else \
	  $(MAKE) --no-print-directory test-postgres; fi

test-browser: $(VENV)/dev.stamp
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest -m browser $(IN_WORKERS) tests/browser

test-engines: $(VENV)/dev.stamp
	@$(BIN)/python -m tests.engines all -n $(WORKERS_FOR_TESTS)

# Every page at every width, zoom and size of text, in a table: what is cut, covered or scrolls without need.
sizes: $(VENV)/dev.stamp
	$(BIN)/python -m tests.browser.chromium
	$(BIN)/python -m pytest -m browser -n 0 -q -s tests/browser/test_sizes.py

check: $(VENV)/dev.stamp
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/python -m tests.bandit_check
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/deptry --no-ansi apikeys console
	$(BIN)/deptry --no-ansi . --ignore DEP004
	$(BIN)/djlint --check --quiet templates
	$(BIN)/djlint --lint --quiet templates
	$(BIN)/hadolint Dockerfile
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec compose.yaml
	$(BIN)/python -m tests.sbom
	$(BIN)/python -m tests.deployment_check

# The same lock gives the same bytes; SOURCE_DATE_EPOCH gives them a time.
sbom: $(VENV)/dev.stamp
	$(BIN)/python -m tests.sbom build/sbom.json

format: $(VENV)/dev.stamp
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .
	$(BIN)/djlint --reformat --quiet templates || true

LOCK = uv pip compile --quiet --universal --generate-hashes --no-header --no-annotate --no-emit-index-url --no-emit-find-links

lock:
	$(LOCK) pyproject.toml -o requirements.txt
	$(LOCK) pyproject.toml --group dev -c requirements.txt -o requirements-dev.txt
	$(LOCK) tests/mutation/requirements.in -c requirements-dev.txt -o tests/mutation/requirements.txt

messages: $(VENV)/dev.stamp
	$(BIN)/python locale/catalogues.py

bench: $(VENV)/dev.stamp
	$(BIN)/python -m bench $(BENCH)

# Kills, crashes, guesses, races, generated requests: half an hour at most; PROVE=races tries one, PROVE=--short little of each.
prove: $(VENV)/dev.stamp
	$(BIN)/python -m tests.prove $(PROVE)

# In an environment of its own, which has the tool beside what the tests need; MUTANTS='apikeys.values.*' tries some.
mutants:
	@$(MAKE) --no-print-directory VENV=.venv-mutation mutants-here

mutants-here: $(VENV)/mutation.stamp
	$(BIN)/python -m tests.mutation $(MUTANTS)

$(VENV)/mutation.stamp: always | $(VENV)/dev.stamp
	$(call install_locked,tests/mutation/requirements.txt)

clean:
	rm -rf build $(VENV) .venv-other .venv-peers .venv-mutation .bench .mypy_cache .ruff_cache .pytest_cache
