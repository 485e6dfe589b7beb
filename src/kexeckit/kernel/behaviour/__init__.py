"""What kernels do differently from release to release, as data."""
