"""The outside: ECS, ECR, load balancers, and the tested service itself."""
