"""Run folders: made, gone on with, opened; the network and the files in them."""
