"""One command, one module: its docstring is its help, its function ``run`` does it."""
