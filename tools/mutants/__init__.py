"""Mutation runs: small faults are put into the code one at a time, and a test should fail for each.

Typical use: ``make mutants PACKAGES="memory plan" N=200``. docs/testing.md says how to read the outcome.
"""
