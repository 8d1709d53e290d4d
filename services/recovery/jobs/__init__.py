"""Recovery's jobs, one file for each verb. Each looks before it acts."""
