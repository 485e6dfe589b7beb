"""What the kernel does when an image is loaded and entered."""
