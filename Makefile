# Needs make and Python 3.11 or newer; everything else is installed from the lock files.
#
#   make run MEDIA=~/Music                watch a folder (TAGS=no leaves the files untouched)
#   make test                             every test
#   make lint                             check format, lint and types
#   make docs                             the documentation as pages, in site/; every link and anchor is checked
#   make wheel                            dist/: the wheel, its packages with hashes, and checksums
#   make examples                         the answers shown in README, the picture, and the commands in docs/reference.md
#   make page                             the page's script and style sheet, into daemon/page/static; needs Node 20 and npm
#   make page-check                       whether a build gives the committed files, to the last byte
#   make bench RECORDINGS=DIR MADE=DIR    speed beside other programs, and growth up to a million files, made in MADE; SHORT=yes takes minutes
#   make soak SOAKED=DIR                  10,000 changes in an hour to a library of 100,000 files, made in DIR
#   make long-run                         50,000 short files through one service, plotted into docs/long_run.svg
#   make torture                          the service under kills, failing disks and floods of files
#   make zoo                              2,000 files of every kind, tagged and restored, read by three other programs
#   make sequences                        100,000 sequences of commands and edits by others over a small library
#   make fuzz                             20,000 damaged and hostile files through real workers
#   make starter CORPORA=DIR              build the starter bundle again, and print its scores
#   make starter-report CORPORA=DIR       compare it with other methods, into docs/starter.md
#   make extraction-settings CORPORA=DIR  compare settings of feature extraction, for docs/features.md
#   make encoding-effects CORPORA=DIR     influence of level, sample rate and codec on the features, for docs/features.md
#   make real-size                        time from corpora of the size of IADS-E and PMEmo to the published bundle
#   make many-ratings                     time and memory of a fit on 20,000 rated clips, and what approximating loses
#   make regressions                      compare regressions on the same folds, with an hour of AutoML, for docs/starter.md
#   make lock                             choose newer versions of everything

PYTHON ?= python3
MEDIA ?=
TAGS ?= yes
CORPORA ?=
RECORDINGS ?=
MADE ?= .bench
SHORT ?= no
SOAKED ?= .soak
BIN := .venv/bin
PAGE := daemon/page/source
HOME_MEDIA := $(MEDIA:~/%=$(HOME)/%)
HOME_CORPORA := $(CORPORA:~/%=$(HOME)/%)
NEEDS_CORPORA = @test -d "$(HOME_CORPORA)" || { echo 'which folder has the corpora? make $@ CORPORA=DIR'; exit 2; }
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
COMPILE := $(BIN)/uv pip compile --quiet --generate-hashes --universal --python-version 3.11 \
           --fork-strategy fewest --no-header --no-annotate --no-emit-index-url --upgrade pyproject.toml

.PHONY: run test lint docs wheel examples page page-check bench soak long-run torture zoo sequences fuzz starter starter-report extraction-settings encoding-effects real-size many-ratings regressions lock clean
.DELETE_ON_ERROR:

run: .venv/.run
	@test -n "$(MEDIA)" || { echo 'which folder? make run MEDIA=~/Music'; exit 2; }
	@exec $(BIN)/valenced run $(if $(filter no,$(TAGS)),--no-tags) "$(HOME_MEDIA)"

# A third of the time tests wait, so there is one process more than cores. Threads of linear algebra would
# only compete with them.
test: .venv/.dev
	OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n $$(($$(nproc) + 1))

lint: .venv/.dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The variable silences an announcement of the theme's authors about their next program.
docs: .venv/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# uv takes versions only; pip checks the hashes, too.
wheel: .venv/.run
	rm -rf dist
	$(BIN)/python -m hatchling build -t wheel -d dist
	cp requirements-run.lock dist/requirements.txt
	sed -n 's/^\([a-z].*[^ ]\) *\\$$/\1/p' requirements-run.lock > dist/constraints.txt
	cd dist && sha256sum * > SHA256SUMS

examples: .venv/.dev
	$(BIN)/python -m tests.docs

page: $(PAGE)/node_modules/.package-lock.json
	cd $(PAGE) && npm run --silent check && npm run --silent build

page-check: $(PAGE)/node_modules/.package-lock.json
	cd $(PAGE) && npm run --silent check && npm run --silent build -- ../../../.page
	diff -r .page daemon/page/static
	rm -r .page

$(PAGE)/node_modules/.package-lock.json: $(PAGE)/package-lock.json
	cd $(PAGE) && npm ci --silent
	@touch $@

bench: .venv/.bench
	$(BIN)/python -m bench --into '$(MADE)' $(if $(RECORDINGS),--recordings '$(RECORDINGS)') $(if $(filter yes,$(SHORT)),--short)

soak: .venv/.dev
	@echo 'this takes an hour and ten minutes; a line comes each minute'
	$(BIN)/python -m bench.scale.soak '$(SOAKED)'

long-run: .venv/.dev
	@echo 'this takes about an hour and a half; the figures come at the end'
	$(BIN)/python -m bench.speed.long_run --files 50000 --plot docs/long_run.svg

torture: .venv/.dev
	@echo 'this takes about two hours; each run prints its figures at its end'
	$(BIN)/python -m tests.torture --files 1000 --kills 200 --seed 1
	$(BIN)/python -m tests.torture --files 300 --kills 40 --fault-rate 0.03 --seed 1
	$(BIN)/python -m tests.torture --files 200 --kills 60 --learning --seed 1
	$(BIN)/python -m tests.torture --files 200 --rounds 20 --disk-failure 'media full' --seed 1
	$(BIN)/python -m tests.torture --files 200 --rounds 20 --disk-failure 'state full' --seed 1
	$(BIN)/python -m tests.torture --files 200 --rounds 20 --disk-failure 'media read-only' --seed 1
	$(BIN)/python -m tests.torture --files 200 --rounds 20 --disk-failure 'media power cut' --seed 1
	$(BIN)/python -m tests.torture --flood 50000 --seed 1

zoo: .venv/.dev
	@echo 'the figures come at the end'
	OPENBLAS_NUM_THREADS=1 $(BIN)/python -m tests.zoo

sequences: .venv/.dev
	VALENCED_SEQUENCES=100000 OPENBLAS_NUM_THREADS=1 $(BIN)/pytest -n auto tests/daemon/pipeline/test_tag_sequences.py

fuzz: .venv/.dev
	$(BIN)/python bench/fuzz/fuzz_workers.py --inputs 20000 --seed 1

starter: .venv/.run
	$(NEEDS_CORPORA)
	$(BIN)/python -m trainer.starter.build build --corpora "$(HOME_CORPORA)"

starter-report: .venv/.run
	$(NEEDS_CORPORA)
	$(BIN)/python -m trainer.starter.build report --corpora "$(HOME_CORPORA)" --into docs/starter.md

extraction-settings: .venv/.bench
	$(NEEDS_CORPORA)
	$(BIN)/python bench/studies/extraction_settings.py "$(HOME_CORPORA)" .extraction-settings

encoding-effects: .venv/.dev
	$(NEEDS_CORPORA)
	$(BIN)/python -m bench.studies.encoding_effects "$(HOME_CORPORA)"

real-size: .venv/.dev
	@echo 'this takes about ten minutes; the figures come at the end'
	$(BIN)/python -m bench.speed.real_size

many-ratings: .venv/.dev
	$(BIN)/python -m bench.speed.many_ratings

regressions: .venv/.bench
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python -m bench.studies.regression_comparison

lock: .venv/.dev
	$(COMPILE) --group build -o requirements-run.lock
	$(COMPILE) --extra cluster --extra postgresql --group dev -o requirements-dev.lock
	$(COMPILE) --extra cluster --extra postgresql --group dev --group bench -o requirements-bench.lock

clean:
	rm -rf .venv site $(PAGE)/node_modules

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	    { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 …'; exit 1; }
	@echo 'making a Python environment in .venv (once) …'
	@$(PYTHON) -m venv .venv || \
	    { rm -rf .venv; echo 'Python lacks its venv module; on Debian: apt install python3-venv'; exit 1; }

# Each stamp file belongs to one lock file; the larger sets contain the smaller ones at the same versions.
.venv/.%: requirements-%.lock pyproject.toml | .venv/bin/python
	@echo 'installing from $< (once) …'
	@$(PIP) install --require-hashes --only-binary :all: -r $<
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@
