"""What takes longer than a moment: AWS is asked here."""
