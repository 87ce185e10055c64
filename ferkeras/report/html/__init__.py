"""Pages that need nothing but a browser: a run's report, and runs side by side."""
