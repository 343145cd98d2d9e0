"""Teaching a GPEN."""
