"""Studies: plan, cells, tables, and one function a command."""
