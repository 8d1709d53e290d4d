"""What recovery needs of the outside: a file for each area. Each call may raise ``AwsError``."""
