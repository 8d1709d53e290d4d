"""Who changed a service's version, its desired count or its scaling limits, by which evidence, and how sure that is."""
