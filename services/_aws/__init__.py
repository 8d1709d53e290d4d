"""Reads AWS, once for all services: the answers of ECS, load balancers and CloudWatch, and what a missing one means.

Every function takes the target that it reads for, and calls AWS by that target's connection (``Aws.at``). Nothing in
here changes anything; what changes AWS stands in the service that does it. ADR 14 has the decisions.
"""
