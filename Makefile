# emonotes: `make run` does everything; `make` alone lists what else there is.
VENV   ?= .venv
PYTHON ?=
SHELL  := /bin/sh
.DEFAULT_GOAL := help
.PHONY: help setup run test lab book readme export bench clean

PIN       := $(shell cat setup.py settings.ini constraints.txt | cksum | cut -d' ' -f1)
CREATED   := $(VENV)/.created
TORCH     := $(VENV)/.torch-$(PIN)
INSTALLED := $(VENV)/.installed-$(PIN)
LOG       := $(VENV)/setup.log
PIP       := $(VENV)/bin/python -m pip install --no-input --disable-pip-version-check --progress-bar off --no-compile -c constraints.txt

# $(call quietly,what is done,command): one line a step; the seconds tick on a terminal; a failure shows the log's end.
define quietly
@printf '%s\n' '  $(1)'; $(2) >$(LOG) 2>&1 & job=$$!; trap 'kill $$job 2>/dev/null; exit 130' INT TERM; seconds=0; \
while kill -0 $$job 2>/dev/null; do sleep 1; seconds=$$((seconds+1)); \
  if [ -t 1 ]; then printf '\r  %s s, %s packages seen ' $$seconds $$(grep -c '^Collecting\|already satisfied' $(LOG)); fi; done; \
if [ -t 1 ]; then printf '\r%40s\r' ''; fi; \
wait $$job || { tail -n 15 $(LOG); echo "The step above failed; the whole log is $(LOG). Run make again to resume."; exit 1; }
endef

help:  ## this list
	@grep -E '^[a-z]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z]+):.*## /\1|/' | \
	while IFS='|' read -r name what; do printf '  make %-8s %s\n' "$$name" "$$what"; done

setup: $(INSTALLED)  ## virtual environment and install, once
	@:
run: setup  ## the whole course on what is at hand: chapters, HTML book, four clips
	@$(VENV)/bin/emonotes run $(ARGS)

test: setup  ## every check: export in step, notebooks clean, ruff, pytest, all chapters
	@echo "1/4 export and README in step, notebooks clean"
	@$(VENV)/bin/python -m emonotes.course.check
	@echo "2/4 ruff"
	@$(VENV)/bin/ruff check --quiet --output-format concise .
	@echo "3/4 chapters on tiny parameters"
	@$(VENV)/bin/python -m emonotes.course.execute --tiny
	@echo "4/4 pytest"
	@$(VENV)/bin/python -m pytest -q tests

lab: setup  ## JupyterLab at the first chapter
	@$(VENV)/bin/jupyter lab nbs/01_affect/01_space.ipynb

book: setup  ## execute what changed and build the HTML book only
	@$(VENV)/bin/python -m emonotes.course.execute --tiny
	@$(VENV)/bin/python -m emonotes.course.html

readme: setup  ## README.md from nbs/index.ipynb
	@$(VENV)/bin/python -m emonotes.course.readme

export: setup  ## the package from the notebooks
	@$(VENV)/bin/nbdev_export

bench: setup  ## speed and memory, as ratios and seconds of this machine
	@$(VENV)/bin/python tests/bench/spine.py quick
	@$(VENV)/bin/python -m pytest -q -s tests/bench

clean:  ## remove everything built, keep the virtual environment
	@rm -rf _build _docs _proc build dist .pytest_cache .ruff_cache .hypothesis
	@find emonotes nbs tests -name __pycache__ -prune -exec rm -rf {} +

$(CREATED):
	@found=; for candidate in $(PYTHON) $(if $(PYTHON),,python3.11 python3.12 python3.13 python3 python); do \
	  if "$$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then found=$$candidate; break; fi; done; \
	if [ -z "$$found" ]; then echo "emonotes needs Python 3.11 or newer, and $(or $(PYTHON),python3) is not; name one with: make PYTHON=/path/to/python3.11"; exit 2; fi; \
	echo "  virtual environment $(VENV) ($$("$$found" --version))"; "$$found" -m venv $(VENV) && touch $@

$(TORCH): $(CREATED)
	$(call quietly,torch (the largest part; some minutes on a slow line),$(PIP) torch==2.13.0)
	@touch $@

$(INSTALLED): $(TORCH)
	$(call quietly,emonotes and what it needs,$(PIP) -e ".[dev]")
	@rm -f $(filter-out $@,$(wildcard $(VENV)/.installed-*)) && touch $@
