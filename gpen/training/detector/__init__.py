"""Training of the bundled face detector."""
