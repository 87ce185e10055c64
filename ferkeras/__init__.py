"""ferkeras: facial-expression classifiers in Keras 3 that do not collapse, or tell why."""

__version__ = "0.1.0"
