"""What a bundle has to be for its consumer, checked before anything is pushed."""
