"""CloudWatch, ECS and load balancers."""
