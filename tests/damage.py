"""Damage done to a file's bytes at random, for tests that a reader answers whatever it is given."""

from hypothesis import strategies as st

Changes = list[tuple[float, int, bytes]]


def random_changes(*likely: bytes) -> st.SearchStrategy[Changes]:
    """One to five changes: where in the file (a share), how many bytes are taken away, and what is put there.

    Args:
        likely: what to put there besides random bytes.
    """
    # half of them near the beginning, where a format's own structure stands
    place = st.one_of(st.floats(0, 0.1), st.floats(0, 1, exclude_max=True))
    added = st.one_of(st.binary(max_size=4), st.sampled_from(likely)) if likely else st.binary(max_size=4)
    return st.lists(st.tuples(place, st.integers(0, 50), added), min_size=1, max_size=5)


def damaged(content: bytes, changes: Changes) -> bytes:
    """The content with the changes made one after the other."""
    for place, removed, added in changes:
        start = int(place * len(content))
        content = content[:start] + added + content[start + removed :]
    return content
