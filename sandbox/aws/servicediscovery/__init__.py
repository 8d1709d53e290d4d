"""Cloud Map: namespaces, their services, and the instances that ECS registers."""
