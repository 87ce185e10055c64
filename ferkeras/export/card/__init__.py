"""The card of an exported network: its words, and the file that it is."""
