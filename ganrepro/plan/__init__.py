"""Which jobs there are, where their results lie, and what these depend on."""
