"""From files to faces: one layout a file, each ending in a `Source`."""
