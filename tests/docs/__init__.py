"""What the documentation shows of the program, written and checked by the program itself."""
