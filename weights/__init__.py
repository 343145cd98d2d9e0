"""Which weight file, from where, whole and true: registry, search, download, safe reading of checkpoints."""
