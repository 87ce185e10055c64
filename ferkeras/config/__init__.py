"""The configuration: its schema, and how it is read from YAML and section.key=value."""
