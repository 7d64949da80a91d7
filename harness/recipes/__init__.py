"""Recipes: which components a recipe consists of, and the values that each of them gets.

Everything here is pure but for reading files below the data directory: no cluster, no network, no process.
"""
