"""The verb `publish`: a finished run made small and clean enough to be given away."""
