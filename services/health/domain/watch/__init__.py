"""The watch over a deployment.

A deployment is judged by its id, its rollout state, its task definition and its targets: when ECS has rolled it back,
it has failed, although the service is stable again. ECS may list a FAILED deployment for a moment only, so another
deployment's being the primary one counts as well.
"""
