"""Runs: saved plans, started, gone on with or taken back, and what their end leaves."""
