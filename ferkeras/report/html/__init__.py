"""Pages that need nothing but a browser: their frame, charts and tables."""
