# Two commands are all a reader needs: `make book` and `make test`. Each makes its own environment in .venv.
# LOCKED=1 installs exactly the files recorded in constraints.txt, checked by their hashes.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
PIP    := $(BIN)/python -m pip install --quiet --disable-pip-version-check
# Compiled modules are kept, whatever the shell says: a dozen kernels and every worker import the same ones.
export PYTHONDONTWRITEBYTECODE =
BROWSER := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name) 2>/dev/null)))
# Files in the order of conftest.py: the longest first.
PARALLEL := --numprocesses logical --maxprocesses 4 --dist loadfile --no-loadscope-reorder

.PHONY: help book check-book same-bytes serve runtime test test-fast test-portable lint types lock notebooks models benchmarks references mutants clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

# --- environments: a stamp file says what an environment was made of ---

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + ": make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)

ifdef LOCKED
STAMP := $(VENV)/.installed-locked
STAMP_TESTS := $(STAMP)
$(STAMP): constraints.txt pyproject.toml | $(BIN)/python
	$(PIP) --require-hashes -r constraints.txt
	$(PIP) --no-deps --no-build-isolation -e .
	rm -f $(VENV)/.installed*
	touch $@
else
STAMP := $(VENV)/.installed
# The browser tests run where a Chromium is found; elsewhere they are skipped with a reason.
LISTS := tests/requirements.txt $(if $(BROWSER),tests/requirements-browser.txt)
STAMP_TESTS := $(VENV)/.installed-tests$(if $(BROWSER),-browser)
$(STAMP): requirements.txt pyproject.toml | $(BIN)/python
	$(PIP) -r requirements.txt
	rm -f $(VENV)/.installed*
	touch $@
$(STAMP_TESTS): $(STAMP) $(LISTS)
	$(PIP) $(LISTS:%=-r %)
	touch $@
endif

$(VENV)/.installed-tools: tools/requirements.txt $(STAMP)
	$(PIP) -r tools/requirements.txt
	touch $@

# --- the book ---

book: $(STAMP)  ## build the site into _build/html
	$(BIN)/jupyter-book build .

check-book: $(STAMP)  ## build everything again, warnings are errors
	$(BIN)/jupyter-book build . --all -W -n --keep-going

same-bytes: $(STAMP)  ## build twice and compare every byte
	rm -rf _build/first _build/second
	PYTHONHASHSEED=1 $(BIN)/jupyter-book build . --path-output _build/first --all
	PYTHONHASHSEED=2 TZ=Pacific/Apia $(BIN)/jupyter-book build . --path-output _build/second --all
	$(BIN)/python tools/same_bytes.py _build/first/_build/html _build/second/_build/html

serve: book  ## show the built site on http://127.0.0.1:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

notebooks: $(STAMP)  ## run the notebooks again and store their outputs
	$(BIN)/python tools/notebooks.py

# Optional: with it, and after another `make book`, pages can be run where they are read. It needs no environment.
runtime:  ## assemble what runs the chapters in a browser into _runtime (39 MB, from npm and pip, all hashes checked)
	$(PYTHON) tools/runtime.py

models: $(STAMP)  ## train the stored models of the chapter on VAEs again (a minute)
	$(BIN)/python tools/models.py

# --- tests ---

test: $(STAMP_TESTS)  ## run every test: units, doctests, notebooks, ledger, links, browser
	$(BIN)/python -m pytest $(PARALLEL)

test-fast: $(STAMP_TESTS)  ## run what needs no browser, no notebook, no built book and no patience
	$(BIN)/python -m pytest $(PARALLEL) -m "not slow and not site and not browser and not notebook" --ignore=tests/explorers tests companion

test-portable: $(STAMP_TESTS)  ## run notebooks and units as on other machines (hours); ONLY="sse,threads8" runs some
	$(BIN)/python tools/portable.py $(if $(ONLY),--only $(ONLY))

lint: $(VENV)/.installed-tools  ## look for faults and unformatted lines
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.installed-tools  ## check the annotations of the public interface
	$(BIN)/mypy

lock: $(VENV)/.installed-tools  ## write constraints.txt anew: the newest set that fits, for all Pythons and systems
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --upgrade --no-emit-package \
	    likelihood-divergence-companion --annotation-style line --custom-compile-command "make lock" \
	    requirements.txt tests/requirements.txt tests/requirements-browser.txt tests/requirements-build.txt --output-file constraints.txt

# --- with environments of their own ---

# The other libraries. `make benchmarks ONLY="fits calls"` runs some of the parts.
.venv-benchmarks/.installed: benchmarks/requirements.txt pyproject.toml
	test -x .venv-benchmarks/bin/python || $(PYTHON) -m venv .venv-benchmarks
	.venv-benchmarks/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

benchmarks: .venv-benchmarks/.installed  ## compare with other libraries and store the results (minutes)
	.venv-benchmarks/bin/python -m benchmarks $(if $(ONLY),--only $(ONLY))

.venv-mutants/.installed: tests/requirements-mutants.txt pyproject.toml
	test -x .venv-mutants/bin/python || $(PYTHON) -m venv .venv-mutants
	.venv-mutants/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-mutants.txt
	touch $@

.venv-references/.installed: tests/requirements-references.txt pyproject.toml
	test -x .venv-references/bin/python || $(PYTHON) -m venv .venv-references
	.venv-references/bin/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-references.txt
	touch $@

references: .venv-references/.installed  ## compute reference values of KL in 120 digits, and regressions; ONLY=Normal makes one row of KL
	.venv-references/bin/python tests/make_kl_references.py $(if $(ONLY),--only $(ONLY))
	$(if $(ONLY),,.venv-references/bin/python tests/make_regression.py)

mutants: .venv-mutants/.installed  ## change the package and list what no test notices; ONLY=companion/special/remainders.py
	.venv-mutants/bin/python tools/mutants.py $(ONLY)

clean:  ## remove the environments and the built site
	rm -rf $(VENV) .venv-benchmarks .venv-portable .venv-mutants .venv-references _build _runtime
