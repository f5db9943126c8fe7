# The ways in. `make demo` and `make test` set up everything that they need.
.PHONY: setup demo test check unit sweep bench
setup:
	@scripts/setup
