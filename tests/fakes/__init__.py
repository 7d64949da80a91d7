"""What stands in for the world in tests."""
