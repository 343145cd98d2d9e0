"""Training of a GPEN."""
