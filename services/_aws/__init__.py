"""Reading AWS, once for all services: what ECS, load balancers and CloudWatch say, and what their silence means.

Every function takes the target that it reads for, and calls AWS by that target's connection (``Aws.at``). Nothing in
here changes anything; what changes AWS stands in the service that does it. ADR 14 has the decisions.
"""
