"""What `import ferkeras` offers: train, open, predict, evaluate, export, without a console.

Everything prints nothing; what a command would print goes, line by line, to `progress`, for which
`print` will do. An object with the methods of `ferkeras.cli.lines.Reports` is told instead what is
being done and what each epoch came to. TensorFlow is imported by what trains, evaluates and
exports, and by nothing else.
"""
