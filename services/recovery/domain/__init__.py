"""Pure verbs and frozen state: what may be done, and what is to be done next."""
