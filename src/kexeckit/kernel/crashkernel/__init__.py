"""What a kernel reserves for crashkernel=: the rules by version, the request, the search, and why."""
