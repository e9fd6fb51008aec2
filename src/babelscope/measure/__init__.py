"""Pure functions from records and arrays to numbers."""
