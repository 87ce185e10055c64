"""The network: layers, loss, metrics, the functional model and its training step."""
