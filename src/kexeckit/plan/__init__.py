"""What kexeckit decides: requests, holes, segments, handover; pure; with an independent verifier."""
