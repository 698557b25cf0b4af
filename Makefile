# Two commands matter: `make report` writes the study's figures, `make test` checks everything.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

CHECKPOINTS := paper-baseline paper-modified

FEATURES := $(CHECKPOINTS:%=features/%.parquet)

.PHONY: report pictures structure claims docs test lint types assets clean

report: $(VENV)/installed
	$(BIN)/featviz extract $(CHECKPOINTS) --out features --overwrite
	$(BIN)/python -m analyses --features features --out figures/made
	$(BIN)/python -m analyses.pictures

# Renew the tracked pictures of README and docs from figures/made; look at them before committing.
pictures: $(VENV)/installed
	$(BIN)/python -m analyses.pictures --update

# The numbers and figures of docs/structure.md, from the feature tables that `make report` leaves.
structure: $(VENV)/installed
	$(BIN)/featviz structure $(FEATURES) --permutations 9999 --out docs/structure-paper.md \
		--plot figures/made/structure.png
	$(BIN)/featviz structure $(FEATURES) --permutations 9999 --merge G11=G8 G10=G9 \
		--out docs/structure-paper-merged.md
	$(BIN)/featviz similarity $(FEATURES) --measure cka --out figures/made/similarity-cka.png
	$(BIN)/featviz similarity $(FEATURES) --measure rsa --out figures/made/similarity-rsa.png

# docs/claims-shipped.md, and all of it as JSON, from the feature tables that `make report` leaves; the
# claims of images need data/faces and the asset lpips.
claims: $(VENV)/installed
	$(BIN)/featviz extract paper-modified --sketches sketches/crossed --out features/crossed --overwrite
	$(BIN)/featviz claims $(FEATURES) --crossed features/crossed/paper-modified.parquet --images \
		--out features/claims.json --out docs/claims-shipped.md

# The pages and the API as a site in build/site; a dead link ends it.
docs: $(VENV)/installed-docs
	$(BIN)/sphinx-build -q -W --keep-going -c docs/site -d build/doctrees . build/site

# One thread a worker: two workers with two threads each would wait for each other on two cores. Four
# workers: many tests wait for a browser, a server or a process, and left a quarter of two cores idle.
# Bytecode is kept even where it is not wanted elsewhere: each worker would rewrite all tests' asserts.
test: lint types assets
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n 4 --dist worksteal

lint: $(VENV)/installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/installed-dev
	$(BIN)/mypy

assets: $(VENV)/installed-dev
	$(BIN)/featviz assets get face-gan face-landmarks vgg19 lpips person-mask

$(VENV)/bin/pip:
	$(PYTHON) -m venv $(VENV)

# The constraints file pins one version of torch. Which build of it pip takes, for CPU or CUDA, depends
# on the indexes pip is configured with; PyTorch's own CPU index, or a local wheel, keeps CUDA away.
$(VENV)/installed: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable .
	touch $@

# timm asks for torchvision, whose builds on PyPI do not fit a torch for CPUs; tests do without it.
$(VENV)/installed-dev: $(VENV)/bin/pip pyproject.toml constraints.txt
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[dev]'
	$(BIN)/pip install --quiet --constraint constraints.txt --no-deps timm
	touch $(VENV)/installed $@

$(VENV)/installed-docs: $(VENV)/installed
	$(BIN)/pip install --quiet --constraint constraints.txt --editable '.[docs]'
	touch $@

clean:
	rm -rf $(VENV) features build *.egg-info .mypy_cache .ruff_cache .pytest_cache
