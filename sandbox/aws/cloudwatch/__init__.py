"""Simulated CloudWatch: metrics, metric math and alarms, behind moto's API."""
