# What a person types. Each target does all that a fresh machine needs.

# A uv that works, from PATH if there is one (a shim that only says "not found" does not count), else our own.
ifndef UV
UV := $(shell uv --version >/dev/null 2>&1 && command -v uv || echo .venv-uv/bin/uv)
endif
RUN := $(UV) run --frozen
PYTEST := $(RUN) pytest
# Tests run side by side; a guest under emulation keeps one CPU busy.
WORKERS ?= $(shell nproc)

# The interpreter of this machine, never a downloaded one.
export UV_PYTHON_DOWNLOADS := never

.PHONY: help env system test check unit lab demo pyz purgatory schema bench clean lab-crashkernel lab-zones lab-mirror lab-srat lab-tables lab-placer lab-kaslr lab-next-boot lab-words lab-limits golden boottime mutants

help:            ## show these lines
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 18

.venv-uv/bin/uv:
	@sh tools/get-uv

env: | $(filter .venv-uv/bin/uv,$(UV))     ## the locked Python environment
	@$(UV) sync -q --frozen

system:          ## Debian packages that the lab needs (installs them when root)
	@sh tools/system-packages

check: env       ## linters and type checkers
	$(RUN) ruff format --check src tests bench tools
	$(RUN) ruff check src tests bench tools
	$(RUN) mypy

unit: env        ## the tests that boot nothing
	$(PYTEST) -q -m "not lab" -n $(WORKERS)

lab: env system  ## the tests that boot real kernels in QEMU
	$(PYTEST) -q -m lab -n $(WORKERS)

test: env system check unit lab  ## everything: linters, unit, property, golden and lab tests

demo: env system ## load a second kernel in a guest and crash into it
	$(RUN) kexeckit rehearse

pyz: env         ## dist/kexeckit.pyz: plan and load with nothing but Python
	$(RUN) python -m kexeckit.lab.pyz dist/kexeckit.pyz

# Small faults in N places of each of PATHS (0: in all), one at a time; SEED chooses which. ARGS has more options.
PATHS ?= memory machine kernel plan
mutants: N := 200
mutants: env     ## faults in the code that no test notices
	PYTHONPATH=tools nice -n 10 $(RUN) python -m mutants $(PATHS) --sample $(N) --seed $(SEED) $(ARGS)

purgatory: env   ## rebuild what runs between the two kernels
	$(RUN) python -m kexeckit.purgatory.build

schema: env      ## docs/schema/machine.schema.json, from the type hints of a machine
	$(RUN) python -m kexeckit.lab.dev.machine_schema > docs/schema/machine.schema.json

bench: env       ## the benchmarks of docs/benchmarks.md
	@sh tools/system-packages bench
	$(RUN) python -m bench

# Campaigns: N random machines, booted and compared with what was predicted. SEED chooses which, JOBS how many guests run
# at a time, OUT a file for the results, with which a campaign goes on where it was broken off; ARGS has more options.
N ?= 24
SEED ?= 1
JOBS ?= 1
CAMPAIGNS := lab-crashkernel lab-zones lab-mirror lab-srat lab-tables lab-placer lab-kaslr
$(CAMPAIGNS): lab-%: env system
	$(RUN) python -m kexeckit.lab.dev.campaign_$* -n $(N) --seed $(SEED) --jobs $(JOBS) $(if $(OUT),--out $(OUT)) $(ARGS)
lab-crashkernel: ## reservations on N random machines
lab-zones:       ## zones on N random machines
lab-mirror:      ## zones of N layouts of mirrored memory
lab-srat:        ## nodes, reservations and zones of N boots with RAM in holes of the SRAT
lab-tables:      ## identity page tables of N machines
lab-placer:      ## the choices of kexec_file_load on N machines
lab-kaslr:       ## the image's place in N boots of one machine with KASLR

# Boots are kept, in the folder KEEP if that is given: what is there is not booted again.
lab-next-boot: env system ## what was said of the next boot, on N boots of random machines
	$(RUN) python -m kexeckit.lab.dev.campaign_next_boot -n $(N) --seed $(SEED) --jobs $(JOBS) $(if $(KEEP),--keep $(KEEP)) $(ARGS)

lab-words: N := 100000
lab-words: env system ## the words and memblock beside the kernel's own code, compiled; N command lines
	$(RUN) python -m kexeckit.lab.dev.kernel_code -n $(N) --seed $(SEED) $(ARGS)

lab-limits: N := 20000
lab-limits: env system ## arm64's zones and the moment of its reservation beside the kernel's code; N machines
	$(RUN) python -m kexeckit.lab.dev.kernel_code_zones -n $(N) --seed $(SEED) $(ARGS)

golden: env system ## the golden captures anew, from guests; then read the difference
	$(RUN) python -m kexeckit.lab.dev.golden tests/golden/captures
	$(RUN) pytest -q tests/golden/test_captures.py --update-golden
boottime: env system ## how long a boot to a report takes
	$(RUN) python -m kexeckit.lab.dev.boottime $(ARGS)

clean:           ## remove what was built; the lab's cache of kernels stays
	rm -rf dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
