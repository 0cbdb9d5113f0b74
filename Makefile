# Two commands on a fresh machine: `make eval` runs the main job, `make test` the tests.
# Both make .venv first; a machine whose own torch should serve instead: docs/gpu.md.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
SOURCES := pyproject.toml setup.py CMakeLists.txt $(shell find csrc -type f)

# setuptools warns at length that an editable install reads this folder, which is what it is for.
INSTALL = PYTHONWARNINGS='ignore:Editable installation' $(BIN)/python -m pip install --quiet --no-build-isolation --editable

.PHONY: eval test check docs wheel gpu-check gpu-packages clean

eval: $(VENV)/installed
	$(BIN)/python -m skelbench.eval xview

test: $(VENV)/installed
	$(BIN)/python -m pytest

# Everything that CI checks besides the tests.
check: $(VENV)/installed
	$(BIN)/pre-commit run --all-files

# The docs, into site/; every warning is an error, which --quiet would hide from --strict.
docs: $(VENV)/installed
	$(INSTALL) '.[docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict

# The sdist, a wheel from it for each of PYTHONS, and each wheel's tests with no compiler on PATH; into dist/.
PYTHONS ?= $(PYTHON)
wheel:
	tests/packaging/wheel.sh $(PYTHONS)

$(VENV)/installed: $(SOURCES)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet torch==2.13.0 --group build
	$(INSTALL) '.[test,graph]'
	touch $@

# Build, tests, compute-sanitizer and speed on a CUDA machine with its own torch; no network. OUT is the folder to fill.
gpu-check:
	PYTHON=$(PYTHON) benchmarks/gpu_check.sh $(or $(OUT),results/gpu)

# The packages that such a machine may lack, to be carried there with the sources: all that pydantic and tyro need (the
# core of pydantic is compiled for one Python and one platform), and fabric without the torch it would bring.
GPU_PYTHON ?= 3.12
GPU_PLATFORM ?= manylinux2014_x86_64
gpu-packages:
	rm -rf build/gpu-packages
	$(PYTHON) -m pip install --quiet --target build/gpu-packages --only-binary :all: \
	  --implementation cp --python-version $(GPU_PYTHON) --platform $(GPU_PLATFORM) 'pydantic>=2.7,<3' 'tyro>=0.9.20,<2'
	$(PYTHON) -m pip install --quiet --target build/gpu-packages --no-deps 'lightning-fabric>=2.5,<3' lightning-utilities

clean:
	rm -rf $(VENV) build dist site *.egg-info skelbench/*.so skelbench/data/*.so
