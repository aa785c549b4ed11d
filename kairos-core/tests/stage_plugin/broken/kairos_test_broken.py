"""A module that cannot be imported."""

raise RuntimeError("the broken plugin needs a library that is not there")
