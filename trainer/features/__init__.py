"""Acoustic descriptors: openSMILE functionals, harmony and rhythm, their storage."""
