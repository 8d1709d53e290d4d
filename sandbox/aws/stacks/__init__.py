"""CloudFormation: the stacks to which services belong."""
