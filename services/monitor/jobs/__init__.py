"""The monitor's jobs, which take time since they ask AWS: one file for each verb."""
