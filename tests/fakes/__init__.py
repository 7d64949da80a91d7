"""What tests put in the place of the world outside, and the data that they begin with."""
