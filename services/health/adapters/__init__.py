"""The ports of health, on AWS and HTTP."""
