"""Health: is the service well?

Reads commands (assess, watch a deployment, start the continuous checks) and ``rollback-started``.
Writes their answers, the progress of a watch, scores and failed checks.
Owns ``watch:<target>`` (the commands to watch that are not answered yet) and ``checks:<target>`` (what the last look
of the continuous checks found).
"""
