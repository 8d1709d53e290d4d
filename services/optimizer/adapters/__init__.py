"""ECS, CloudWatch and Application Auto Scaling."""
