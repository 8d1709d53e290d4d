"""The policy of each service: read from a file, a directory or S3, merged, checked, and reloaded while it is in use.

It imports contracts and nothing else of ours, so that the chassis can hand it to the services. ``parse`` → ``check`` →
``merge`` → ``load`` are pure; ``read`` and ``source`` have the I/O.
"""
