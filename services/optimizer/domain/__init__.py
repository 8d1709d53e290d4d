"""Sizes, prices, and the advice that follows from utilisation."""
