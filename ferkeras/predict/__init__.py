"""The verb `predict`: from pictures to answers, without TensorFlow where a run has a LiteRT file."""
