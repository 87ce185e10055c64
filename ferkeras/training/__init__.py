"""One training: setup, loop, callbacks in order, checkpoints and state."""
