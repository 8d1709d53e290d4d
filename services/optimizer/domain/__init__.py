"""Sizes, prices and what utilisation says about them."""
