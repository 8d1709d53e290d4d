"""What the simulated AWS charges: prices, a ledger of what tasks used, and the two APIs that answer about them."""
