"""A market that never was: everyday payments by seed, with misuse planted in it and labelled apart."""
