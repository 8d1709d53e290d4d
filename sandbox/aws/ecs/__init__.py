"""Simulated ECS on Fargate: definitions, tasks, deployments, and the scheduler that rolls them."""
