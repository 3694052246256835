"""What processes are built from: parameters, conditions, statistics, groups, concatenation."""
