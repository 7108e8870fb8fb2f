"""The lock file installs wherever pyproject.toml says that the package runs."""

import tomllib
from importlib import metadata
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet
from packaging.version import Version

from precip_sae.paths import Paths


def lowest(requires: str) -> Version:
    """The lowest version that `>=3.11` admits, 3.11.0: nobody needs a later patch release."""
    (given,) = [each.version for each in SpecifierSet(requires) if each.operator == ">="]
    parts = [*given.split("."), "0", "0"][:3]
    return Version(".".join(parts))


def refusing(locked: Path, python: Version) -> dict[str, str]:
    """Locked packages, as they are installed here, that ask for another Python; by name what they ask for."""
    found = {}
    for line in locked.read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        requirement = Requirement(line)
        try:
            installed = metadata.metadata(requirement.name)
        except metadata.PackageNotFoundError:
            continue  # of another platform
        if not requirement.specifier.contains(installed["Version"], prereleases=True):
            continue  # another version is installed, whose metadata say nothing of the locked one
        requires = installed.get("Requires-Python") or ""
        if not SpecifierSet(requires).contains(python):
            found[requirement.name] = requires
    return found


def test_every_locked_package_installs_on_the_lowest_python_that_is_promised(repository: Paths) -> None:
    promised = tomllib.loads((repository.root / "pyproject.toml").read_text())["project"]["requires-python"]
    assert refusing(repository.root / "requirements.lock", lowest(promised)) == {}


def test_most_locked_packages_are_installed_as_locked(repository: Paths) -> None:
    """Or the test above would say nothing."""
    lines = (repository.root / "requirements.lock").read_text().splitlines()
    locked = [Requirement(line) for line in lines if line.strip() and not line.startswith("#")]
    here = {
        name.lower().replace("_", "-").replace(".", "-"): m.version
        for m in metadata.distributions()
        if (name := m.name)
    }
    same = [
        r for r in locked if r.specifier.contains(here.get(r.name.lower().replace("_", "-").replace(".", "-"), "0"))
    ]
    assert len(same) >= 0.9 * len(locked)


@pytest.mark.parametrize(("requires", "refused"), [(">=3.11.5", True), (">=3.11", False), (">=3.9,<3.11", True)])
def test_a_package_that_wants_a_later_patch_release_is_found(
    requires: str, refused: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "lock").write_text("# a comment\nsoupsieve==4.1.2\n")
    monkeypatch.setattr(metadata, "metadata", lambda name: {"Version": "4.1.2", "Requires-Python": requires})
    assert bool(refusing(tmp_path / "lock", lowest(">=3.11"))) is refused
