"""What a snapshot holds, how two are compared, which are kept, and which is believed."""
