"""What the networks are, how they start, how they are trained, and how they are kept on disk."""
