"""Plain Keras programs for the benchmark of their diagnosis."""
