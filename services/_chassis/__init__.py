"""What every service stands on. A module here is named for the outside thing that it wraps and knows no deployment."""
