"""Deployments rehearsed on the sandbox under a virtual clock: the seven services as they are, in seconds."""
