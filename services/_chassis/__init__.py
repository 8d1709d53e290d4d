"""What every service stands on: each module is named for the outside thing that it wraps."""
