"""The verb `search`: the best configuration within ranges."""
