# Storage compressibility of pre-trained models. `make help` says what there is. GNU Make 3.81 or newer.

STUDY ?= default
JOBS ?=
# The first Python of 3.11 or newer on the PATH; name another one with `make PYTHON=...`.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3.14 python3 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1 && echo "$$p" && break; done)
VENV ?= .venv
ZIPNN := .venv-zipnn
RUN := $(VENV)/bin/python
PIP := $(RUN) -m pip --disable-pip-version-check --no-input
# Codecs of others that a platform may lack: those that install are measured, the others are named as missing.
PEERS := $(shell sed -n 's/^peers = \[\(.*\)\]/\1/p' pyproject.toml | tr -d '",' | sed 's/>=[0-9.]*//g')
PEER_PIP := $(PIP) install --quiet --only-binary=:all: --require-hashes -r
# The lock without the other peers.
define ONE_PEER
BEGIN { n = split(names, peers, " "); for (i = 1; i <= n; i++) is_peer[peers[i]] = 1 }
/^[a-z0-9]/ { split($$1, pin, "=="); skip = (pin[1] in is_peer) && pin[1] != kept }
!skip
endef
export ONE_PEER
STUDY_FILE = $(if $(wildcard $(STUDY)),$(STUDY),configs/$(STUDY).yaml)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help install reproduce test check bench zipnn lab publish lock generated clean

help:  ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/  make \1	\2/p' $(firstword $(MAKEFILE_LIST)) | expand -t 20
	@echo '  STUDY=tiny, STUDY=configs/mine.yaml choose the study; PYTHON=python3.12 the Python; JOBS=4 the worker processes.'

reproduce: $(VENV)/installed  ## pull, measure, draw, execute, report, compare with the committed tables (STUDY=tiny: minutes)
	$(RUN) -m analysis reproduce $(STUDY_FILE) $(if $(JOBS),--jobs $(JOBS))

test: $(VENV)/installed-test check  ## the whole test suite; sets itself up
	$(RUN) -m pytest -n 2 --dist worksteal

check: $(VENV)/installed-test  ## formatting, lint and types
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy

bench: $(VENV)/installed  ## speeds and ratios on this machine
	$(RUN) -m analysis.bench
	$(RUN) -m elf.bench
	$(RUN) -m analysis.bench.elves_peers

zipnn: $(VENV)/installed $(ZIPNN)/installed  ## zipnn beside ours, in an environment of its own (brings torch: a few GB but for a CPU build; needs a C compiler)
	$(RUN) -m analysis.bench.zipnn $(STUDY_FILE)

lab: $(VENV)/installed  ## JupyterLab on the notebooks, with the right kernel
	$(RUN) -m jupyterlab $(if $(filter 0,$(shell id -u)),--allow-root) notebooks

publish: $(VENV)/installed  ## make this machine's tables and notebooks of STUDY the committed ones
	$(RUN) -m analysis run $(STUDY_FILE)
	$(RUN) -m analysis publish $(STUDY_FILE)

install: $(VENV)/installed  ## only create the environment

$(VENV)/installed: requirements.lock requirements-peers.lock pyproject.toml | $(VENV)/bin/python
	$(PIP) install --quiet --require-hashes -r requirements.lock
	$(PEER_PIP) requirements-peers.lock || for peer in $(PEERS); do \
		awk -v names='$(PEERS)' -v kept=$$peer "$$ONE_PEER" requirements-peers.lock >$(VENV)/peer.lock; \
		$(PEER_PIP) $(VENV)/peer.lock || echo "$$peer has no wheel for this platform: its rows will be missing" >&2; done
	$(PIP) install -qq --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/installed-test: requirements-test.lock $(VENV)/installed
	$(PIP) install --quiet --require-hashes -r requirements-test.lock
	@touch $@

$(VENV)/bin/python:
	@if [ -z "$(PYTHON)" ]; then echo 'No Python of 3.11 or newer is on the PATH: install one, or name it: make PYTHON=/path/to/python3' >&2; exit 2; fi
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; sys.exit(v < (3, 11) and "$(PYTHON) is Python %d.%d; 3.11 or newer is needed: make PYTHON=..." % v[:2])'
	@"$(PYTHON)" -c 'import ensurepip, venv' 2>/dev/null || { echo '$(PYTHON) has no venv module (on Debian and Ubuntu: apt install python3-venv)' >&2; exit 2; }
	@"$(PYTHON)" -m venv $(VENV) || { echo 'The environment could not be made in $(VENV): is this folder writable? make VENV=DIR puts it elsewhere' >&2; exit 2; }

# Never a dependency. zipnn is built here from source. Where the index in use has the CPU build of torch pip takes that;
# elsewhere a plain install on Linux brings the one with the CUDA libraries, of several GB.
$(ZIPNN)/installed: | $(VENV)/bin/python
	$(RUN) -m venv $(ZIPNN)
	$(ZIPNN)/bin/python -m pip --disable-pip-version-check --no-input install --quiet torch==2.13.0 zipnn==0.5.4
	@touch $@

lock:  ## resolve the lock files again (needs uv)
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra study --extra accuracy --extra notebooks --extra dask --extra install pyproject.toml -o requirements.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra peers -c requirements.lock pyproject.toml -o requirements-peers.lock
	uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header \
		--extra study --extra accuracy --extra notebooks --extra dask --extra install --extra test \
		-c requirements.lock pyproject.toml -o requirements-test.lock

generated:  ## write configs/schema.json and results/README.md again from the classes and specifications
	$(RUN) -m analysis.config.schema
	$(RUN) -m analysis.dictionary

clean:  ## remove the environments, the cache (models, shards) and local results
	rm -rf $(VENV) $(ZIPNN) .cache results/*/local
