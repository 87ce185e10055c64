"""The sections of the configuration, a file each, but for `network`, of which there are several."""
