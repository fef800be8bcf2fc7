"""Harmony and rhythm of sound, which openSMILE's ComParE functionals leave out."""
