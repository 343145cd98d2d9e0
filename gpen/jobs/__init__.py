"""Many pictures, each worked on once: which they are, where their results go, and reading ahead."""
