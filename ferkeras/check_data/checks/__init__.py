"""What can be wrong with faces and labels, one check a file; no TensorFlow."""
