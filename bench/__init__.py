"""Speed, as ratios against others on the same hosts in one run. `make bench` prints a line a figure."""
