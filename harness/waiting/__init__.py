"""The one waiting loop, the reflector that feeds it, nudges, and the log of transitions."""
