"""The verb `check_data`: checks of faces and labels before training."""
