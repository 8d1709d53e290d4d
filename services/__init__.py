"""The seven services, and the chassis that they stand on."""
