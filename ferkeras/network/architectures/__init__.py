"""From faces to features: one architecture a file."""
