"""Every operation of AWS that a deployment uses, refused, unanswered or answered in part, at each time: how it ends.

It stands beside the judge (``benchmarks/judge``) and plays by the same rehearsals under the virtual clock. What is
right follows from ``rule.py``; ``docs/denials.md`` shows the report.
"""
