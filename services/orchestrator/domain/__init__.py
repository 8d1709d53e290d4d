"""The course of a deployment as pure verbs: (course, event, policy, now) → (course, effects)."""
