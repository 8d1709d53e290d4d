"""Validator: can what is asked for run at all, before the change; does the service answer as it should, after it.

Reads ``run-preflight`` and ``validate-deployment``. Writes ``step-finished``. Owns the operations that its API
started: their results, kept under ``operation:<id>``. It changes nothing in AWS.
"""
