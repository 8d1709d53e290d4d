"""Diagnostics: what is wrong with a service, and what to do about it.

Reads the command to run diagnostics. Writes its answer, and issues found and gone.
Owns ``issues:<target>``: what the last look found.
"""
