"""The simulated world: one account in one region, whose time passes only when it is stepped."""
