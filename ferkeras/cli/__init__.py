"""How every verb is called, speaks and ends; knows nothing of what the verbs do."""
