"""Teaching the networks of this project."""
