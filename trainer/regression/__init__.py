"""The joint regression of arousal and valence, and the table it is fitted on."""
