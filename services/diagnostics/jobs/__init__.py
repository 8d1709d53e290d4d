"""The only job of diagnostics; it takes time, since it asks AWS."""
