"""What is known about one machine, and nothing predicted."""
