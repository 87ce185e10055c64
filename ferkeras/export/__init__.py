"""The verb `export`: a network in other formats, each checked against what it came from."""
