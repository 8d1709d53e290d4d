"""The costs of the simulated AWS: prices, a ledger of the use of tasks, and the two APIs about them."""
