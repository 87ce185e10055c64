"""What a trained network does: evaluation on a split."""
