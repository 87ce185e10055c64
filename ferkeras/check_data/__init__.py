"""The verb `check_data`: what is to be known of faces before anything is trained on them."""
