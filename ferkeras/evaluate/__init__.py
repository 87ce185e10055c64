"""The verb `evaluate`: every figure of a finished run, with its interval."""
