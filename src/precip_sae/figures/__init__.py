"""One function per figure: arrays in, a matplotlib figure out. One style, one palette per meaning."""
