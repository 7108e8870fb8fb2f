"""A copy of the manuscript that names the commit it was built from, which the committed one cannot."""

import subprocess
from pathlib import Path

from precip_sae.errors import ReviewError
from precip_sae.manuscript.compile import compile_pdf
from precip_sae.paths import Paths
from precip_sae.pipeline.basis import manuscript_rests_on
from precip_sae.review.verify import local_changes


def commit(root: Path) -> str:
    """`1a2b3c4d`, or `1a2b3c4d with local changes`.

    Raises:
        ReviewError: there is no git history here.
    """
    changed = local_changes(root)
    if changed is None:
        raise ReviewError(f"{root}: has no git history, so no commit to name.")
    done = subprocess.run(
        ["git", "rev-parse", "--short=12", "HEAD"], cwd=root, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise ReviewError(f"{root}: has no commit to name yet.")
    return done.stdout.strip() + (" with local changes" if changed else "")


def write_edition(paths: Paths, pdf: Path, review: bool = False) -> str:
    """Compiles the manuscript to `pdf` with its commit on it; returns what it says.

    Args:
        review: numbers the lines and spaces them, as journals ask of a copy for reviewers.

    Raises:
        ReviewError: there is no commit.
        ManuscriptError: it does not compile.
    """
    named = commit(paths.root)
    inputs = {"rests_on": manuscript_rests_on(paths), "commit": named, "review": str(review).lower()}
    compile_pdf(paths.paper / "manuscript.typ", pdf, paths.root, inputs)
    return named
