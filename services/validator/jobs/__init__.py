"""What takes longer than a moment: AWS and the tested service are asked here."""
