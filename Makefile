# What a person types. Each target does all that a fresh machine needs.
UV ?= $(shell command -v uv 2>/dev/null || echo .venv-uv/bin/uv)
RUN := $(UV) run --frozen
PYTEST := $(RUN) pytest

.PHONY: help env system test check lab demo pyz purgatory bench lab-crashkernel lab-zones clean

help:            ## show these lines
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

$(UV):
	python3 -m venv .venv-uv && .venv-uv/bin/pip -q install uv

env: | $(UV)     ## the locked Python environment
	@$(UV) sync -q --frozen

system:          ## Debian packages that the lab needs (installs them when root)
	@sh tools/system-packages

check: env       ## linters and type checkers
	$(RUN) ruff format --check src tests bench
	$(RUN) ruff check src tests bench
	$(RUN) mypy

test: env system check  ## everything: linters, unit, property, golden and lab tests
	$(PYTEST) -q -m "not lab" -n 2
	$(PYTEST) -q -m lab

demo: env system ## load a second kernel in a guest and crash into it
	$(RUN) kexeckit rehearse

pyz: env         ## dist/kexeckit.pyz: plan and load with nothing but Python
	$(RUN) python -m kexeckit.lab.pyz dist/kexeckit.pyz

purgatory: env   ## rebuild what runs between the two kernels
	$(RUN) python -m kexeckit.purgatory.build

bench: env       ## the benchmarks of docs/benchmarks.md
	$(RUN) python -m bench

clean:
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
