"""Recovery: takes snapshots, changes live services and rolls them back. Only what makes changes can undo them.

No other service changes a live service. Besides a run's change and the way back it scales in an emergency, runs
migrations, makes again what is gone, and tries all of that in drills. Reads ``recovery.commands.v1`` (snapshot, arm,
change, migrate, roll back, disarm), ``alerts.critical.v1``, ``alerts.warning.v1`` and the health scores. Writes
``recovery.events.v1`` and ``phase.results.v1``. Owns ``protection:<target>`` (the run for which the target is armed,
its change, and what is under way), ``operation:<id>`` and the snapshots in the backup bucket.

It acts on a critical alert by itself and never waits for the orchestrator.
"""
