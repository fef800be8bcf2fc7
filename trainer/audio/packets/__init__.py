"""The audio packets of a file, which identify its sound, and what else ffmpeg reads of it."""
