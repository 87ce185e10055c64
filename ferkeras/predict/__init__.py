"""The verb `predict`: pictures to answers, without TensorFlow where a run has a LiteRT file."""
