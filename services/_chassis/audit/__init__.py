"""The audit (docs/audit.md, docs/adr/0037): acts and refusals are recorded, chained, published and archived.

``requests.py`` and ``messages.py`` note who asks. ``entries.py`` says what is recorded of a decision, in the same
``apply`` as its state, and ``recorder.py`` records what changes no state. ``sealer.py`` gives each entry its place in
the service's chain, and ``archive.py`` writes the chain to S3, one replica at a
time (``turn.py``).
"""
