# `make demo` and `make test` each work alone, in either order, with nothing but Python >= 3.11 and a package index:
# both first make .venv (a few minutes, once). Everything is installed there and nowhere else.
#
#     make demo ARGS="--help"            ARGS go to the command behind a target (demo, test, bench)
#     make install PYTHON=python3.12     choose the Python that .venv is made with
#     make install TORCH=cuda            choose the PyTorch build: cpu, cuda, or auto (the default: cuda if a GPU is here)
#     make test JOBS=4                   run the tests in so many processes, of one thread each

PYTHON ?=
TORCH ?= auto
ARGS ?=
JOBS ?= 2

BIN := .venv/bin
STAMP := .venv/.installed
PIP := $(BIN)/python -m pip --disable-pip-version-check

.DEFAULT_GOAL := help
.PHONY: help install demo test browser lint format bench docs clean

help: ## say what there is
	@grep -E '^[a-z]+:.*## ' Makefile | sed -E 's/^([a-z]+):.*## /  make \1|/' | awk -F'|' '{ printf "%-16s%s\n", $$1, $$2 }'

install: $(STAMP) ## make .venv with Counterpoise and its development tools

demo: $(STAMP) ## train SFT, DFT and BFT on gene facts on this computer, evaluate, write the report
	@$(BIN)/counterpoise demo $(ARGS)

test: $(STAMP) ## run the whole test suite, as CI does
	@OMP_NUM_THREADS=1 $(BIN)/python -m pytest -q -n $(JOBS) --dist loadfile $(ARGS)

browser: ## install Chromium from the system's packages: tests of the pages use it, and skip by name without it
	@sh tools/install_browser.sh

lint: $(STAMP) ## check style and types
	@$(BIN)/ruff check --no-cache .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: $(STAMP) ## format the code and mend what ruff can mend
	@$(BIN)/ruff check --no-cache --fix-only --quiet .
	@$(BIN)/ruff format .

bench: $(STAMP) ## time and memory of the LM head, against full logits and TRL's fused head
	@$(BIN)/python benchmarks/lm_head.py $(ARGS)

docs: $(STAMP) ## build the documentation into build/site; links and names that are wrong end it
	@$(BIN)/python tools/docs_pages.py
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict
	@echo "read it, with its search, by: $(BIN)/python -m http.server --bind 127.0.0.1 --directory build/site"

clean: ## remove caches and builds; .venv, runs/ and demo/ stay
	@rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
	@find src tests benchmarks tools -name __pycache__ -type d -prune -exec rm -rf {} +

# The stamp is written last. An installation that was stopped half-way has none, and the next `make` continues it.
$(STAMP): pyproject.toml constraints.txt tools/make_venv.sh tools/install_torch.py
	@sh tools/make_venv.sh .venv "$(PYTHON)"
	@$(BIN)/python tools/install_torch.py --build $(TORCH)
	@echo "Installing Counterpoise and what it needs: a minute or two ..."
	@$(PIP) install --quiet -c constraints.txt -e '.[dev]'
	@$(BIN)/python -c 'import torch, transformers, counterpoise' || { \
		echo "make: the packages in .venv are damaged; remove it (rm -rf .venv) and run make again." >&2; exit 1; }
	@touch $(STAMP)
	@echo "Installed in .venv."
