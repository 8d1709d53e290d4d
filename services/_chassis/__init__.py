"""The plumbing that all services share: each module is named for the outside thing that it wraps."""
