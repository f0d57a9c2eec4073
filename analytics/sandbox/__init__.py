"""Free SQL of the regulator's officers over the documented tables, in a process that may do nothing."""
