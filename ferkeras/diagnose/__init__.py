"""The verb `diagnose`: why a training does not learn."""
