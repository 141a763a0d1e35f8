# Thin names for real commands. `make reproduce` and `make test` need Python 3.11-3.13 and nothing else.
PYTHON ?= python3
PORT ?= 8010
BIN := .venv/bin
export PATH := $(CURDIR)/$(BIN):$(PATH)
# one more than there are cores, since many tests wait for a disk or a clock
TESTERS = $(shell $(PYTHON) -c 'import os; print(min(4, 1 + (os.cpu_count() or 1)))')
MAKEFLAGS += --jobs=2  # `check` builds the book beside the rest
unexport PYTHONDONTWRITEBYTECODE  # every job starts Python: they share what the first one compiled

.PHONY: reproduce test setup check style book docs pages evidence gpu confirm gc help

help:          ## this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 14

reproduce: setup   ## from nothing to reports/cyclegan_ablation.md on the embedded dataset
	snakemake --cores all --quiet rules -- reports/cyclegan_ablation.md
	@grep -qvxFf reports/streets-tiny/scores.csv reports/cyclegan_ablation/scores.csv; if [ $$? -eq 1 ]; \
	then echo "Each score is among the kept ones (reports/streets-tiny), to the last digit."; \
	else echo "Scores are not the kept ones (reports/streets-tiny): other settings, code, versions or CPU; python -m pipeline.portable"; fi
	@echo "Done: reports/cyclegan_ablation.md. To compare the runs: . $(BIN)/activate && mlflow ui"

test: check    ## style, types and the whole test suite, as continuous integration runs it
	python -m pytest -n $(TESTERS)

setup: .venv/.ready  ## virtual environment with pinned dependencies

.venv/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if (3, 11) <= v <= (3, 13) else "error: Python 3.11 to 3.13 is needed, $(PYTHON) is %d.%d; use: make PYTHON=python3.12 ..." % v)'
	@echo "Installing into .venv: some GB, which is silent and takes as long as their download"
	@$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	$(BIN)/uv pip install --python .venv --quiet -c constraints.txt -e '.[workflow,survey,dev,demo,export,docs]' || \
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[workflow,survey,dev,demo,export,docs]'  # reads pip's own mirror settings
	touch $@

check: style book   ## style, types, workflow syntax, spelling, dry run, the book

style: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile pipeline/rules
	codespell
	@mkdir -p build && snakemake -n --quiet all > build/dry-run.txt || { tail -n 20 build/dry-run.txt; exit 1; }

book: setup
	sphinx-build -q -W -c docs . build/book

docs: book          ## the book, from docs/ and reports/, on a page of this machine (make docs PORT=8010)
	python -m http.server --bind 127.0.0.1 --directory build/book $(PORT)

pages: setup   ## pages that are made from code and reports: settings, commands, gallery, tables, what we learned, seeds, verdicts
	python -m ganrepro.settings.reference
	python -m ganrepro.use.reference
	python -m pipeline.gallery
	python -m ganrepro.reporting.verdict_errors

gpu: setup     ## eight minutes on a GPU: what it shows, section by section (make gpu REFERENCE=FOLDER)
	python -m benchmarks.gpu $(if $(REFERENCE),--reference $(REFERENCE))

evidence: setup  ## keep a report under reports/<study>/, to be committed: the current ones, or make one (STUDY=name SEEDS=10 ARITHMETIC=usual)
	python -m pipeline.evidence $(if $(STUDY),--study $(STUDY)) $(if $(SEEDS),--seeds $(SEEDS)) $(if $(ARITHMETIC),--arithmetic $(ARITHMETIC))

confirm: setup  ## after an edit that should change no result: shows it on tiny examples, so that no key moves (BASE=commit)
	python -m pipeline.confirm $(if $(BASE),--base $(BASE))

gc: setup      ## list superseded results, ask, remove
	python -m pipeline.gc
