"""What a given kernel does; pure; each rule with its source."""
