"""One module per lifecycle operation, each compiling a request to a plan."""
