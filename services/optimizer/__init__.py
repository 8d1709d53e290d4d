"""Optimizer: what a service should cost. It advises and changes nothing.

Reads ``analyze-resources``. Writes ``step-finished`` and ``recommendation-made``. Owns the records
``baseline:<target>`` (how busy the service usually is) and ``recommendation:<target>`` (the newest advice).
"""
