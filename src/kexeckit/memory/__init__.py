"""Values: ranges, range sets, typed flat maps, the nested resource tree, page-frame arithmetic."""
