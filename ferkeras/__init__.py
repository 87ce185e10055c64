"""ferkeras: facial-expression classifiers in Keras 3 that do not collapse, or say why they did."""

__version__ = "0.1.0"
