"""Health: is the service well?

Reads commands (assess, watch a deployment, start the continuous checks) and ``rollback-started``.
Writes their answers, the progress of a watch, scores and failed checks.
Owns ``watch:<target>`` (who waits for which deployment) and ``checks:<target>`` (what the last check found).
"""
