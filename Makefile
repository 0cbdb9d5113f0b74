# Two commands on a fresh machine: `make eval` runs the main job, `make test` the tests.
# Both make .venv first; a machine whose own torch should serve instead: docs/gpu.md.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml setup.py CMakeLists.txt $(shell find csrc -type f)

.PHONY: eval test check docs gpu-check gpu-packages clean

eval: $(VENV)/installed
	$(BIN)/python -m skelbench.eval xview

test: $(VENV)/installed
	$(BIN)/python -m pytest

# Everything that CI checks besides the tests.
check: $(VENV)/installed
	$(BIN)/pre-commit run --all-files

# The docs, into site/; every warning is an error, which --quiet would hide from --strict.
docs: $(VENV)/installed
	$(BIN)/python -m pip install --quiet --editable '.[docs]' --no-build-isolation
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

$(VENV)/installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0 --group build
	$(BIN)/python -m pip install --quiet --no-build-isolation --editable '.[test,graph]'
	touch $@

# Build, tests, compute-sanitizer and speed on a CUDA machine with its own torch; no network. OUT is the folder to fill.
gpu-check:
	PYTHON=$(PYTHON) benchmarks/gpu_check.sh $(or $(OUT),results/gpu)

# The pure Python packages that such a machine may lack, to be carried there with the sources.
gpu-packages:
	$(PYTHON) -m pip install --quiet --upgrade --no-deps --target build/gpu-packages \
	  lightning-fabric lightning-utilities tyro docstring-parser shtab typeguard

clean:
	rm -rf $(VENV) build dist site *.egg-info skelbench/*.so skelbench/data/*.so
