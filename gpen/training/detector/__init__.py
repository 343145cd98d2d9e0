"""Teaching the bundled face detector."""
