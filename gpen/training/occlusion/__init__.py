"""Teaching the network that finds what stands before a face."""
