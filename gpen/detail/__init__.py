"""Detail and colour of pictures, without knowledge of faces networks."""
