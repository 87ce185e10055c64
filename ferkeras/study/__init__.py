"""What `ablate` and `search` share: many trainings, by many processes, compared."""
