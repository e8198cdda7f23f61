# Everything from a bare Linux machine with Python 3.11: `make demo` is the whole chain, `make test` checks it.

PYTHON ?= python3.11
DATA ?= heads
LAYOUT ?= 300w-68
RUN ?= $(if $(filter heads drawn,$(DATA)),demo,demo-data)

BIN := .venv/bin
PY := $(BIN)/python
INSTALLED := .venv/.installed
SMALL := runs/$(RUN)-s
PYTEST := PYTHONDONTWRITEBYTECODE= $(PY) -m pytest -q -rs  # rewriting all asserts anew costs each process 10 s
PARALLEL := -n auto --maxprocesses 4  # a process takes 2 GB; tests/conftest.py says which tests stay together

.PHONY: help install demo test test-full test-lowest arm kotlin swift web npm wheel lint tensorrt-rtx fuzz

help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## /{printf "  make %-12s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(INSTALLED)  ## the environment in .venv, with pinned versions, and the camera page where Node is
	@if [ -e edgewing/page/index.html ] || command -v npm >/dev/null; then \
		$(MAKE) --silent edgewing/page/index.html || echo "the camera page is not built; for edgewing web: make web"; \
	else echo "no Node here, so no camera page; for edgewing web: apt-get install nodejs npm, then make web"; fi
	@echo "next: . .venv/bin/activate"

# The stamp is newer than what it was made from, so a second call is instant and a changed pin installs again.
$(INSTALLED): $(wildcard requirements/*.txt) pyproject.toml
	@command -v $(PYTHON) >/dev/null || { echo "error: no $(PYTHON); install Python 3.11 or: make PYTHON=FILE"; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --disable-pip-version-check -r requirements/dev.txt
	$(BIN)/pip install --disable-pip-version-check --no-deps -e .
	@# python -m train, compress, targets and bench work in every folder, not in this one alone
	@$(PY) -c "import os, sysconfig; open(sysconfig.get_path('purelib') + '/edgewing-rooms.pth', 'w').write(os.getcwd())"
	@touch $@

# A stage that ends with 1 has done its work and a file failed its gate: the report still follows and says which and
# why, and then the demo ends with an error all the same. Any other error stops it at once.
FAILED := runs/.$(RUN)-failed
GATE := || { test $$? -eq 1 && touch $(FAILED); }

demo: $(INSTALLED)  ## train, compress, export and measure a model; DATA=DIR LAYOUT=300w-68 for faces of your own
	@rm -f $(FAILED)
	$(PY) -m train fit $(DATA) --layout $(LAYOUT) --recipe demo --initial edgewing-free-s --run runs/$(RUN)
	$(PY) -m compress prune runs/$(RUN) --run $(SMALL) --macs 0.8 --steps 300
	$(PY) -m compress quantize $(SMALL) $(GATE)
	$(PY) -m targets $(SMALL) --to onnx tflite coreml tensorrt $(GATE)
	$(PY) -m bench measure $(SMALL)
	$(PY) -m bench report $(SMALL)
	@test ! -e $(FAILED) || { echo "error: a stage failed its gate; its reason stands above"; exit 1; }

test: $(INSTALLED)  ## the tests, in minutes
	$(PYTEST) $(PARALLEL) -m "not full"

test-full: $(INSTALLED)  ## the tests and those that take long
	$(PYTEST) $(PARALLEL)

test-lowest: $(INSTALLED)  ## the runtime's tests on the oldest versions that pyproject.toml allows (350 MB in cache)
	$(BIN)/pip install --disable-pip-version-check -q --no-deps --upgrade --target cache/lowest -r requirements/lowest.txt
	PYTHONPATH=cache/lowest $(PYTEST) -m "not full" tests/edgewing --ignore tests/edgewing/test_wheel.py

arm: $(INSTALLED)  ## files of a tiny network on emulated ARM cores (Debian 12; 600 MB in cache/arm)
	$(PYTEST) tests/targets/arm

KOTLIN := tests/apps/android

kotlin: $(KOTLIN)/node_modules/.package-lock.json  ## the Kotlin compiler (npm; 100 MB), for the tests of apps/android; they need Java 17

$(KOTLIN)/node_modules/.package-lock.json: $(KOTLIN)/package-lock.json
	@command -v npm >/dev/null || { echo "error: no npm; apt-get install npm"; exit 2; }
	cd $(KOTLIN) && npm ci --no-audit --no-fund
	@touch $@

swift: $(INSTALLED)  ## apps/ios, compiled and compared (Debian; downloads 550 MB, 2.5 GB in cache/swift)
	$(PYTEST) tests/apps/ios

WEB_PACKAGES := apps/web/node_modules/.package-lock.json

web: edgewing/page/index.html  ## the camera page of `edgewing web` (Node 18 or newer; 100 MB of packages, 30 MB built)

$(WEB_PACKAGES): apps/web/package-lock.json apps/web/.npmrc
	@command -v npm >/dev/null || { echo "error: no npm; apt-get install nodejs npm"; exit 2; }
	cd apps/web && npm ci --no-audit --no-fund
	@touch $@

WEB_SOURCES := $(wildcard apps/web/*.mjs apps/web/*.json apps/web/example.html apps/web/src/* apps/web/static/*) \
	$(wildcard edgewing/expression.npz edgewing/detectors/*.tflite)

edgewing/page/index.html: $(WEB_PACKAGES) $(WEB_SOURCES)
	cd apps/web && npm run --silent check && npm run --silent build
	@echo "next: edgewing web"

lint: $(INSTALLED)  ## style, format and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

npm: edgewing/page/index.html  ## dist/edgewing-web-*.tgz: the page's parts as a package for other pages
	@mkdir -p dist; test -e apps/web/dist/edgewing.js || (cd apps/web && npm run --silent build)
	cd apps/web && npm pack --silent --pack-destination ../../dist
	@echo "next: npm install $(CURDIR)/$$(ls -t dist/edgewing-web-*.tgz | head -1)"

wheel: $(INSTALLED) edgewing/page/index.html  ## dist/edgewing-*.whl: the runtime with models, detectors and the camera page
	$(BIN)/pip wheel --disable-pip-version-check -q --no-deps --wheel-dir dist .
	@echo "next: pip install $$(ls -t dist/edgewing-*.whl | head -1)"

FUZZ_SECONDS ?= 3600

fuzz: $(INSTALLED)  ## an hour of broken files for the readers; FUZZ_SECONDS=600 for less
	$(BIN)/pip install --disable-pip-version-check -q -r requirements/fuzz.txt
	$(PY) -m tests.edgewing.fuzz --seconds $(FUZZ_SECONDS)

tensorrt-rtx: .venv-trt/.installed  ## NVIDIA's builder, which needs no GPU, in .venv-trt (330 MB), for its tests

.venv-trt/.installed: requirements/tensorrt-rtx.txt
	$(PYTHON) -m venv .venv-trt
	.venv-trt/bin/pip install --disable-pip-version-check -r requirements/tensorrt-rtx.txt
	@touch $@
