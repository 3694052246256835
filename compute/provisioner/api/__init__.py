"""REST under `/api/`: pools, compute nodes, groups, boot profiles, events and usage."""
