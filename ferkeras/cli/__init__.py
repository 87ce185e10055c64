"""How every verb is called, prints and ends; knows nothing of what the verbs do."""
