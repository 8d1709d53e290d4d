"""The decisions that bus, timers, jobs and API share, by what they begin and end. Nothing here does I/O."""
