"""The verb `predict`: pictures to predictions, without TensorFlow where a run has a LiteRT file."""
