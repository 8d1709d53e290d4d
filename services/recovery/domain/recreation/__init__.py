"""Making again what of a service is gone."""
