"""What happens before any prediction begins: the map, memblock, nodes, page tables, CMA."""
