"""What takes longer than a moment: one file for each verb."""
