"""Validator: does it work? Before a change that it can run at all, after it that it answers as it should.

Reads ``run-preflight`` and ``validate-deployment``. Writes ``step-finished``. Owns the operations that its API
started: their results, kept under ``operation:<id>``. It changes nothing in AWS.
"""
