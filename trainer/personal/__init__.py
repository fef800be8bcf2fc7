"""The personal layer: how the people of one library differ from the joint regression."""
