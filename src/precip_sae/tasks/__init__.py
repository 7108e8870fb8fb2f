"""From a table to a task: the parts, the transforms, standardised arrays."""
