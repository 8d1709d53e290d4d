"""What takes longer than a moment: AWS and the application are looked at here."""
