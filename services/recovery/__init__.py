"""Recovery: takes snapshots, changes live services and rolls them back. Only what makes changes can undo them.

No other service changes a live service. Reads ``recovery.commands.v1`` (snapshot, arm, change, roll back, disarm) and
``alerts.critical.v1``. Writes ``recovery.events.v1`` and ``phase.results.v1``. Owns ``protection:<target>`` (the run
for which the target is armed, its change, the rollback under way), ``operation:<id>`` and the snapshots in the backup
bucket.

It acts on a critical alert by itself and never waits for the orchestrator.
"""
