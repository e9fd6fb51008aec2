# One command each: the environment is made on first use and again when its files change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
DEMO := demo-study

.PHONY: demo test e2e check bench format lint types docs figures clean help

help:
	@echo "make demo   run the embedded study and print where its report is"
	@echo "make test   run all tests"
	@echo "make e2e    open the demo's report in Chromium, try every control, check its numbers"
	@echo "make check  format, lint, types, tests, e2e, documentation"
	@echo "make docs   build the documentation into build/site; a warning fails"
	@echo "make bench  long tests and benchmarks"

$(STAMP): Makefile pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "error: Python: expected 3.11 or newer; set PYTHON=..., delete $(VENV)"; exit 2; }
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet $(TORCH_INDEX) torch -c constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev,hub]'
	@touch $(STAMP)

demo: $(STAMP)
	$(BIN)/babelscope demo --out $(DEMO)
	@echo "report: $(abspath $(DEMO))/report/index.html"
	@echo "next: \`. $(BIN)/activate\` puts babelscope on the PATH of your shell"

# a thread a worker: two workers with two threads each wait for one another half of the time
test: $(STAMP)
	OMP_NUM_THREADS=1 $(BIN)/pytest --numprocesses 2 --dist loadfile -rs -m "not slow and not e2e"

e2e: demo
	BABELSCOPE_DEMO=$(DEMO) $(BIN)/pytest -rs -m e2e tests/e2e

format: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

docs: $(STAMP)
	$(BIN)/python tools/make_docs.py

# the README's picture, from the demo's report
figures: demo
	$(BIN)/python tools/make_figures.py $(DEMO)

check: format lint types test e2e docs

bench: $(STAMP)
	$(BIN)/pytest -m slow
	$(BIN)/python benchmarks/inference.py
	$(BIN)/python benchmarks/null_mini.py
	$(BIN)/python benchmarks/lens.py
	$(BIN)/python benchmarks/hidden.py
	$(BIN)/python benchmarks/planted_pairs.py
	$(BIN)/python benchmarks/answering.py
	$(BIN)/python benchmarks/options.py
	$(BIN)/python benchmarks/tuning.py
	$(BIN)/python benchmarks/report_size.py
	$(BIN)/python benchmarks/probes.py
	$(BIN)/python benchmarks/growth.py
	$(BIN)/python benchmarks/sampling.py
	$(BIN)/python benchmarks/families.py

clean:
	rm -rf $(VENV) $(DEMO) build
