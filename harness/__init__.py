"""The engine: runs a recipe through a lane and says whether it worked. It knows nothing of any particular lane."""
