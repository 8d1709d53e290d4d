"""Health's jobs; they take time, since they ask AWS and the application."""
