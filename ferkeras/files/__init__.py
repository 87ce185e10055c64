"""Files in folders that a stranger may have made: read, written and removed without surprises."""
