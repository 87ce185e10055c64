"""Pictures and pages that several verbs share."""
