"""Every input subset with several seeds: what is trained, how it is spread over workers, and what it says."""
