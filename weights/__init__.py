"""Weight files: the registry of models, search, verified download and safe reading of checkpoints."""
