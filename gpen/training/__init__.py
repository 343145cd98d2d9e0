"""Teaching the networks of this project: a folder for each, and what they share."""
