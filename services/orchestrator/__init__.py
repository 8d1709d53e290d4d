"""The course of a deployment: decides, commands, reacts. It has no AWS client.

Reads ``deployment.requests.v1``, ``phase.results.v1``, ``recovery.events.v1`` and the alerts; writes the six
command topics and ``deployment.events.v1``. It owns the state ``course:<target>`` (the run that is active, and the
queue behind it), the records ``run:<run_id>`` (what ``status`` shows), and the timers ``phase:``, ``run:`` and
``reconcile:<run_id>``.
"""
