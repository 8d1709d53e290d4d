"""Scenarios as data: an image's behaviour, the conditions meanwhile, and the expected end."""
