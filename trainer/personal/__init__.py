"""The personal layer: corrects the joint regression for the listeners of one library."""
