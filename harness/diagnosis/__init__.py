"""The first cause of a red cell, and its story."""
