# Two commands are all a reader needs: `make book` and `make test`. Each makes its own environment in .venv.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
BROWSER := $(firstword $(foreach name,chromium chromium-browser google-chrome,$(shell command -v $(name) 2>/dev/null)))
STAMP_BROWSER := $(if $(BROWSER),$(VENV)/.installed-browser)

.PHONY: help book check-book test notebooks models benchmarks serve clean

help:  ## list the commands
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/'

$(STAMP): requirements.txt pyproject.toml
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	touch $@

# The browser tests run where a Chromium is found; elsewhere they are skipped with a reason.
$(VENV)/.installed-browser: $(STAMP) tests/requirements-browser.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r tests/requirements-browser.txt
	touch $@

book: $(STAMP)  ## build the site into _build/html
	$(BIN)/jupyter-book build .

check-book: $(STAMP)  ## build everything again, warnings are errors
	$(BIN)/jupyter-book build . --all -W -n --keep-going

test: $(STAMP) $(STAMP_BROWSER)  ## run every test: units, doctests, notebooks, ledger, links, browser
	$(BIN)/python -m pytest

notebooks: $(STAMP)  ## run the notebooks again and store their outputs
	$(BIN)/python tools/notebooks.py

models: $(STAMP)  ## train the stored models of the chapter on VAEs again (a minute)
	$(BIN)/python tools/models.py

# The other libraries have an environment of their own. `make benchmarks ONLY="fits calls"` runs some of the parts.
.venv-benchmarks/.installed: benchmarks/requirements.txt pyproject.toml
	test -x .venv-benchmarks/bin/python || $(PYTHON) -m venv .venv-benchmarks
	.venv-benchmarks/bin/python -m pip install --quiet --disable-pip-version-check -r benchmarks/requirements.txt
	touch $@

benchmarks: .venv-benchmarks/.installed  ## compare with other libraries and store the results (minutes)
	.venv-benchmarks/bin/python -m benchmarks $(if $(ONLY),--only $(ONLY))

serve: book  ## show the built site on http://127.0.0.1:8000
	$(BIN)/python -m http.server --bind 127.0.0.1 --directory _build/html 8000

clean:  ## remove the environment and the built site
	rm -rf $(VENV) .venv-benchmarks _build
