"""What diagnostics decides, without I/O, clock or chance: evidence → issues."""
