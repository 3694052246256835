"""The control plane: pools, nodes and groups as records, and the loop that makes them true."""
