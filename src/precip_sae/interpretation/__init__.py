"""What units and latents respond to, and how well SAEs reconstruct."""
