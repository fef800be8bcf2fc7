"""A zoo of sound files: containers x codecs x channels x kinds of tags x damage.

`make zoo` makes all of them and prints figures; `test_zoo` takes a sample of the same files.
"""
