"""That a cell leaves nothing: reservation, marks, inventory before and after, the plan and the restoration."""
