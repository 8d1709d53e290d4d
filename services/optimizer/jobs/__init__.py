"""The optimizer's only job; it takes time, since it asks AWS."""
