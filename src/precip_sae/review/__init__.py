"""What a reviewer asks: is it what the authors got, do the claims hold, where is a figure from, what changed."""
