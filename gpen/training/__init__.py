"""Training of this project's networks: a folder for each, and shared parts."""
