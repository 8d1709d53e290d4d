"""The watch over a deployment.

Judged by the deployment's id, its rollout state, its task definition and its targets: a service that is stable
again after ECS rolled it back is a failed deployment. A FAILED deployment may be listed for a moment only, so
"the primary deployment is not the one that we watch" counts as well.
"""
