"""What docs/detail.md is made of: the data, what is measured on it, and a section each."""
