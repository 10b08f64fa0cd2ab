"""golden_requests."""
