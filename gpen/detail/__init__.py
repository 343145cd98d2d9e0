"""Adjust the detail of restored crops to the photograph: frequency blend, enhancement, finish."""
