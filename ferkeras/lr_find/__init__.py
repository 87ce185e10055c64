"""The verb `lr_find`: a learning rate from a range test."""
