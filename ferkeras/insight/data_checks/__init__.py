"""What is to be known of a source of faces before anything is trained on it; no TensorFlow."""
