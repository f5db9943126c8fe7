# The ways in. Each sets up what it needs, can be interrupted, and goes on from there when it is started again.
.PHONY: demo test check setup lab dist sweep bench lock
.DEFAULT_GOAL := demo

PYTHON := .venv/bin/python
MINORS ?= 1.36 1.37

demo: setup            ## three masters and a worker from a signed bundle, from a bare machine
	@scripts/demo

test: setup check lab  ## all tests, real hosts and a real cluster included
	@$(PYTHON) scripts/side_by_side.py

check: setup           ## lint, format, types, layers
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/pyright
	.venv/bin/lint-imports

setup:                 ## the environment in .venv, from the lock file
	@scripts/setup

lab: setup             ## the machines' base tree and the Kubernetes components
	@lab/lab setup
	@lab/lab artifacts build $(addprefix --minor ,$(MINORS))

dist: setup            ## cctl, etcdadm and nodeadm as one file, for hosts without Python
	@scripts/dist

sweep: setup lab       ## the long proofs: their tables are in docs/proof.md
	@$(PYTHON) scripts/side_by_side.py sweep

bench: setup lab       ## speed, as ratios against others on the same hosts in one run
	$(PYTHON) -m bench

lock:                  ## renew the lock files
	@scripts/lock
