"""Training of the bundled landmark network."""
