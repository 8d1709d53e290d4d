"""Ours against a bare script, measured by turns in one run: on a shared machine only ratios mean something."""
