"""Every check of what lies here, in turn; each answers in one line, or in one for each fault that it finds."""

from collections.abc import Callable, Iterator
from functools import partial

from precip_sae.errors import PaperError
from precip_sae.manuscript.claims import FAIL, NOT_TESTED, PASS, Ledger
from precip_sae.review import artefacts, derived, retrain
from precip_sae.review.project import Finding, Project


def check_all(project: Project, ledger: Ledger, quick: bool) -> list[Finding]:
    """Runs every check.

    Args:
        quick: without those that train.
    """
    some = f"{derived.TRIED} seeds of every task"
    checks: dict[str, tuple[Callable[[Project], Iterator[str]], str]] = {
        "lock": (artefacts.lock_faults, "dvc.lock agrees with itself and with dvc.yaml"),
        "files": (artefacts.file_faults, "every output here is the one that dvc.lock records"),
        "stale": (artefacts.stale_faults, "every stage ran with the settings and files that are here"),
        "store": (artefacts.store_faults, "every object of the store and the cache is what its name says"),
        "stamps": (artefacts.stamp_faults, "every figure and table says that it rests on what is here"),
        "numbers": (derived.number_faults, "numbers.json is what the results give"),
        "tables": (derived.table_faults, "the tables are what the numbers give"),
        "reductions": (derived.reduction_faults, "the reductions are what the kept units give"),
        "weights": (derived.weight_faults, f"the weights give the kept skill, and correlations ({some})"),
        "searches": (derived.search_faults, "every search has one row for every subset and seed"),
        "typed": (partial(derived.typed_faults, ledger=ledger), "no number is typed by hand, and none is idle"),
    }
    if not quick:
        checks["training"] = (
            retrain.training_faults,
            f"trained again, networks and SAEs are the same bits ({some})",
        )
    found = []
    for name, (check, well) in checks.items():
        try:
            answers = [Finding(name, FAIL, fault) for fault in check(project)]
        except FileNotFoundError as error:
            missing = str(error.filename).removeprefix(f"{project.paths.root}/")
            answers = [Finding(name, NOT_TESTED, f"{missing} is not here: `dvc pull` brings it")]
        except PaperError as error:
            answers = [Finding(name, FAIL, str(error))]
        found += answers or [Finding(name, PASS, well)]
    return found
