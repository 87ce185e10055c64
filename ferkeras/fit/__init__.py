"""The verb `fit`: a training from faces to a folder with a trained, exported network."""
