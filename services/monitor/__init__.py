"""Monitor: numbers, alerts, dashboards. It alone raises alerts.

Reads ``check-alarms``, ``watch-closely``, ``evaluate-rules``, ``set-up-monitoring``, ``deployment-finished`` and
``rollback-started``.
Writes ``step-finished``, ``critical-alert`` and ``warning-alert``. Owns ``watch:<target>``: how closely a target is
watched and by which policies, its rules' latest states, its alerts, and the evaluations that wait for their evidence;
``operation:<id>``, the set-ups that its API started; in CloudWatch, a dashboard and alarms, whose names begin with
``surefoot-`` (``domain/names.py``).
"""
