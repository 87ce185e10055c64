"""The verb `ablate`: what each change of a configuration is worth."""
