"""Run folders: created, resumed, opened; the network and the files in them."""
