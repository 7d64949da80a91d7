"""Whether a lane left the objects that helm would have made."""
