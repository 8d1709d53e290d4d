"""Bus in, bus out: load, decide, apply. Nothing here calls AWS or needs another service to run.

There is a file for each area of the domain; ``table.py`` says which handler answers what.
"""
