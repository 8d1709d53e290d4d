"""The course of a deployment: decides, commands, reacts.

It changes nothing at AWS. It asks ECS for the names that there are where a request over HTTP names a cluster or service
that is not there; without the right to ask it goes on.

Reads ``deployment.requests.v1``, ``phase.results.v1``, ``recovery.events.v1`` and the alerts; writes the six
command topics and ``deployment.events.v1``. It owns the state ``course:<target>`` (the run that is active, the queue
behind it, and a run that has ended during its migration), the records ``run:<run_id>`` (what ``status`` shows), and the
timers ``phase:``, ``run:`` and ``reconcile:<run_id>``.
"""
