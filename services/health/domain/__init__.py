"""What health decides, without I/O, clock or chance."""
