"""Recovery, the only hand that changes a live service: since who can undo must know what was done.

Reads ``recovery.commands.v1`` (snapshot, arm, change, roll back, disarm) and ``alerts.critical.v1``.
Writes ``recovery.events.v1`` and ``phase.results.v1``. Owns ``protection:<target>`` (who is armed, what was
changed, what is being rolled back), ``operation:<id>`` and the snapshots in the backup bucket.

It acts on a critical alert by itself: nothing here waits for the orchestrator.
"""
