"""The ports of the monitor, on CloudWatch, ECS, load balancers and RDS."""
