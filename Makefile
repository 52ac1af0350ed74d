# On a fresh Debian machine `make demo` or `make test` alone does all the set-up.
.DEFAULT_GOAL := help
.PHONY: help setup demo test test-all lint type bench clean

READY := .venv/.ready
BIN := .venv/bin
# Tests run two at a time, so each takes one thread: more would only wait for each other. Random examples are the same every time.
ONE_THREAD := OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 MKL_NUM_THREADS=1

help:  ## say what there is to make
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

$(READY): pyproject.toml constraints.txt scripts/setup.sh
	@scripts/setup.sh

setup: $(READY)  ## make .venv with everything in it

demo: $(READY)  ## reconstruct a waving cloth from a clip and say where the report is
	$(BIN)/recon sft fit --video sample_data/cloth/clip.mp4 --template sample_data/cloth/template.obj --camera sample_data/cloth/camera.json --masks sample_data/cloth/masks -o runs/demo --overwrite --fresh
	@echo "The report: $(CURDIR)/runs/demo/report.html"

test: lint  ## lint, and the tests that take a few minutes
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 --hypothesis-profile=ci -m "not slow"

test-all: lint type  ## lint, types, and every test
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 --hypothesis-profile=ci

lint: $(READY)  ## style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

type: $(READY)  ## static types
	$(BIN)/pyright --pythonpath $(BIN)/python

bench: $(READY)  ## time the hot loops; run it on an idle machine
	@for script in benchmarks/bench_*.py; do echo "== $$script"; $(BIN)/python "$$script" || exit 1; done

clean:  ## remove the virtual environment and caches; runs/ stays
	rm -rf .venv build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
