"""One command's hold on state, hosts and artifacts: what happens between a command line and a run."""
