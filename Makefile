# Two commands on a fresh machine:
#   make demo   sets up, trains, tests and shows the default example
#   make test   sets up, then runs ruff, mypy and pytest
# VENV=folder puts the environment elsewhere; PYTHON=python3.12 chooses the interpreter; JOBS=n the parallel tests
# (one more than the cores of a small machine, since tests wait for the processes that they start).

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 3
BIN = $(VENV)/bin
CFG = cfgs/vision/digits/resnet20_digits.yaml
OUT = ckpts/vision/digits/resnet20_digits
# torch and torchvision are free within the range of setup.py, everything else comes in the versions that were tested
TESTED = constraints/tested.txt

# what is installed is compiled when it is first imported; where nothing may be written, each process would compile all of PyTorch again
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo test lint style docs site clean

demo: $(VENV)/.demo
	$(BIN)/python tools/train_net_all.py --cfg $(CFG)
	@echo "log:        $(OUT)/logs/train_rank0.log"
	@echo "curves:     $(OUT)/curves.png  (or: $(BIN)/tensorboard --logdir $(OUT)/events)"
	@echo "checkpoint: $(OUT)/model_best.pth"
	$(BIN)/python tools/test_net_all.py --cfg $(CFG)

# the types are checked on the one core that they need while the tests run
test: $(VENV)/.dev style
	@echo "$(BIN)/mypy & $(BIN)/python -m pytest -n $(JOBS) tests"
	@$(BIN)/mypy & types=$$!; $(BIN)/python -m pytest -n $(JOBS) tests; tests=$$?; wait $$types && exit $$tests

lint: $(VENV)/.dev style
	$(BIN)/mypy

style: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

docs: $(VENV)/.dev
	$(BIN)/python tools/docs/write_config_page.py

# in build/site; `python -m http.server -d build/site` shows it with its search
site: $(VENV)/.docs
	$(BIN)/python tools/docs/build_site.py

# uv is several times faster; pip does the same. Python compiles what it imports by itself, which is far less than all that is installed.
define install
	@if command -v uv >/dev/null 2>&1; then \
		uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) && \
		uv pip install --quiet --python $(BIN)/python -c $(TESTED) --build-constraints $(TESTED) -e '.[$(1)]'; \
	else \
		$(PYTHON) -m venv $(VENV) && \
		PIP_BUILD_CONSTRAINT=$(TESTED) $(BIN)/python -m pip install --quiet --no-compile -c $(TESTED) -e '.[$(1)]'; \
	fi
	@touch $@
endef

$(VENV)/.demo: setup.py $(TESTED)
	$(call install,demo)

$(VENV)/.dev: setup.py $(TESTED)
	$(call install,dev)

$(VENV)/.docs: setup.py $(TESTED)
	$(call install,docs)

clean:
	rm -rf $(VENV) ckpts build dist *.egg-info
