"""CloudWatch Logs: what containers write, Logs Insights over it, and the filter patterns of FilterLogEvents."""
