# Two commands on a fresh machine:
#   make demo   sets up, trains, tests and shows the default example
#   make test   sets up, then runs ruff, mypy and pytest
# VENV=folder puts the environment elsewhere; PYTHON=python3.12 chooses the interpreter; JOBS=n the parallel tests.

PYTHON ?= python3
VENV ?= .venv
JOBS ?= 2
BIN = $(VENV)/bin
CFG = cfgs/vision/digits/resnet20_digits.yaml
OUT = ckpts/vision/digits/resnet20_digits

.PHONY: demo test lint docs clean

demo: $(VENV)/.demo
	$(BIN)/python tools/train_net_all.py --cfg $(CFG)
	@echo "log:        $(OUT)/logs/train_rank0.log"
	@echo "curves:     $(OUT)/curves.png  (or: $(BIN)/tensorboard --logdir $(OUT)/events)"
	@echo "checkpoint: $(OUT)/model_best.pth"
	$(BIN)/python tools/test_net_all.py --cfg $(CFG)

test: $(VENV)/.dev lint
	$(BIN)/python -m pytest -n $(JOBS) tests

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

docs: $(VENV)/.dev
	$(BIN)/python tools/docs/write_config_page.py

# uv is several times faster; pip does the same
define install
	@command -v uv >/dev/null 2>&1 && uv venv --quiet --allow-existing --python $(PYTHON) $(VENV) || $(PYTHON) -m venv $(VENV)
	@command -v uv >/dev/null 2>&1 && uv pip install --quiet --python $(BIN)/python -e '.[$(1)]' || $(BIN)/python -m pip install --quiet -e '.[$(1)]'
	@touch $@
endef

$(VENV)/.demo: setup.py
	$(call install,demo)

$(VENV)/.dev: setup.py
	$(call install,dev)

clean:
	rm -rf $(VENV) ckpts build dist *.egg-info
