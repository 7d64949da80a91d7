"""One file for each shape in which a recipe is delivered."""
