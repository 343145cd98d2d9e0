"""Teaching the bundled landmark network."""
