"""From pictures to answers, without TensorFlow where the run has a LiteRT file."""
