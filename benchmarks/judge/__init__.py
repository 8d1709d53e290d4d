"""How often Surefoot's verdict is right, over many kinds of services, beside ECS alone on the same deployments.

It stands among the benchmarks, since it measures a figure and compares it with that of the plain thing, in one run; the
tests of its parts, and a fixed slice of its cells, stand in ``tests/judge``. What is right follows from ``rule.py``.
"""
