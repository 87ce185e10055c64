"""Data sets of the field whose classes, order and size are known, one a file."""
