"""The archive's description for machines: an RO-Crate of the Provenance Run profile, which adds to Workflow Run Crate.

dvc.yaml is the workflow, its stages are the steps, dvc.lock says what each run of a stage read, was set to and made.
Profiles: https://www.researchobject.org/workflow-run-crate/profiles/
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import PurePosixPath
from typing import Any
from urllib.parse import quote

from precip_sae.publication.citation import author_names
from precip_sae.review.lock import Locked, maker
from precip_sae.review.reference import flat

METADATA = "ro-crate-metadata.json"
WORKFLOW = "dvc.yaml"
VERSION = "1.1"  # of RO-Crate, on which the profiles below are built
CONTEXT = "https://w3id.org/ro/terms/workflow-run/context"
WORKFLOW_PROFILE = "https://w3id.org/workflowhub/workflow-ro-crate/1.0"
PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    WORKFLOW_PROFILE: "Workflow RO-Crate",
}
# Not from the system's table of types, which differs from machine to machine.
FORMATS = {
    ".bib": "application/x-bibtex",
    ".cff": "application/yaml",
    ".csv": "text/csv",
    ".gif": "image/gif",
    ".html": "text/html",
    ".ipynb": "application/x-ipynb+json",
    ".json": "application/json",
    ".md": "text/markdown",
    ".parquet": "application/vnd.apache.parquet",
    ".pdf": "application/pdf",
    ".png": "image/png",
    ".py": "text/x-python",
    ".svg": "image/svg+xml",
    ".tex": "text/x-tex",
    ".toml": "application/toml",
    ".yaml": "application/yaml",
}
_AUTHORS, _ENGINE, _LANGUAGE, _PACKAGE = {"@id": "#authors"}, {"@id": "#dvc"}, {"@id": "#dvc-yaml"}, "#precip-sae"
_NAMES = {str: "Text", bool: "Boolean", int: "Integer", float: "Float"}


@dataclass(frozen=True)
class Member:
    """One file of the archive: its size in bytes and its SHA-256."""

    size: int
    sha256: str


@dataclass(frozen=True)
class Deposit:
    """What the description is of.

    Attributes:
        files: every file by its name in the zip; objects of the store may be left out.
        lock: the runs of the stages, see `review.lock`.
        stages: the stages of dvc.yaml by name, as written there.
        citation: CITATION.cff.
        licences: SPDX identifier by the start of the names that it is for; "" is the whole.
        commit, committed: of the sources.
        engine: version of DVC that the lock names.
    """

    files: Mapping[str, Member]
    lock: Mapping[str, Locked]
    stages: Mapping[str, Mapping[str, Any]]
    citation: Mapping[str, Any]
    licences: Mapping[str, str]
    commit: str
    committed: datetime
    engine: str

    @cached_property
    def given(self) -> list[str]:
        """What the stages read and no stage made."""
        return sorted({path for run in self.lock.values() for path in run.deps if not maker(self.lock, path)})

    @cached_property
    def made(self) -> list[str]:
        """What the stages made."""
        return sorted({path for run in self.lock.values() for path in run.outs})

    @cached_property
    def folders(self) -> list[str]:
        """Of both, what is no file."""
        paths = (path for run in self.lock.values() for path in (*run.deps, *run.outs))
        return sorted({path for path in paths if path not in self.files})

    @cached_property
    def settings(self) -> dict[str, Any]:
        """What params.yaml said when the stages ran, by its dotted place."""
        return {place: value for run in self.lock.values() for place, value in _set(run).items()}

    @cached_property
    def tools(self) -> list[str]:
        """The notebooks that the stages run."""
        return sorted({_tool(self, name) for name in self.stages} - {_PACKAGE})


def describe(deposit: Deposit) -> str:
    """The text of ro-crate-metadata.json; the same deposit gives the same text, with no time but the commit's."""
    from rocrate.model.contextentity import ContextEntity
    from rocrate.rocrate import ROCrate

    crate = ROCrate(version=VERSION)
    crate.metadata.extra_contexts.append(CONTEXT)
    crate.metadata["conformsTo"] = [{"@id": f"https://w3id.org/ro/crate/{VERSION}"}, {"@id": WORKFLOW_PROFILE}]
    crate.datePublished = deposit.committed
    for key, value in _root(deposit).items():
        crate.root_dataset[key] = value
    for name in sorted(deposit.files):
        crate.add_file(dest_path=name, properties=_file(deposit, name))
    for name in deposit.folders:
        inside = [_id(file) for file in sorted(deposit.files) if file.startswith(f"{name}/")]
        said = {"name": name, "hasPart": _one_or_all(inside), **_example(deposit, name)}
        crate.add_dataset(dest_path=f"{name}/", properties=said)
    for entity in _context(deposit):
        crate.add(ContextEntity(crate, entity.pop("@id"), properties=entity))
    return json.dumps(crate.metadata.generate(), indent=1, ensure_ascii=False) + "\n"


def _root(deposit: Deposit) -> dict[str, Any]:
    cited = [f"https://doi.org/{each['doi']}" for each in deposit.citation.get("references", [])]
    return {
        "name": deposit.citation["title"],
        "description": "A paper with everything that it is made of: sources, settings, observations, weights, results, "
        "figures, text, and a record of which stage read and made what. `dvc repro` makes all of it again.",
        "version": str(deposit.citation["version"]),
        "identifier": f"git:{deposit.commit}",
        "license": {"@id": _licence(deposit.licences[""])},
        "author": _AUTHORS,
        "publisher": _AUTHORS,
        "citation": [{"@id": doi} for doi in cited],
        "conformsTo": [{"@id": profile} for profile in PROFILES],
        "mainEntity": {"@id": WORKFLOW},
        "mentions": [{"@id": "#run"}, {"@id": "#organize"}, *({"@id": _action(name)} for name in deposit.lock)],
    }


def _file(deposit: Deposit, name: str) -> dict[str, Any]:
    """What is said of one file."""
    member, suffix = deposit.files[name], PurePosixPath(name).suffix
    found: dict[str, Any] = {
        "name": name,
        "contentSize": str(member.size),
        "sha256": member.sha256,
        "encodingFormat": FORMATS.get(suffix, "text/plain"),
        **_example(deposit, name),
    }
    licence = next((found for start, found in deposit.licences.items() if start and name.startswith(start)), None)
    if licence:
        found["license"] = {"@id": _licence(licence)}
    if name == WORKFLOW:
        found |= _workflow(deposit)
    elif name in deposit.tools:
        found |= {"@type": ["File", "SoftwareSourceCode"], "programmingLanguage": {"@id": "#python"}}
        found |= {"version": str(deposit.citation["version"])}
    elif name == "paper/manuscript.pdf":
        found |= {"@type": ["File", "ScholarlyArticle"], "author": _AUTHORS}
    elif name == "README.md":
        found |= {"about": {"@id": "./"}}
    return found


def _workflow(deposit: Deposit) -> dict[str, Any]:
    return {
        "@type": ["File", "SoftwareSourceCode", "ComputationalWorkflow", "HowTo"],
        "name": deposit.citation["title"],
        "conformsTo": {"@id": "https://bioschemas.org/profiles/ComputationalWorkflow/1.0-RELEASE"},
        "programmingLanguage": _LANGUAGE,
        "license": {"@id": _licence(deposit.licences[""])},
        "author": _AUTHORS,
        "version": str(deposit.citation["version"]),
        "hasPart": [{"@id": tool} for tool in sorted({*deposit.tools, _PACKAGE})],
        "step": [{"@id": _step(name)} for name in deposit.stages],
        "input": [{"@id": f"#input/{quote(name)}"} for name in deposit.given]
        + [{"@id": f"#parameter/{quote(place)}"} for place in deposit.settings],
        "output": [{"@id": f"#output/{quote(name)}"} for name in deposit.made],
    }


def _context(deposit: Deposit) -> Iterator[dict[str, Any]]:
    """Everything that is no file: who, in what language, by what rules, steps, parameters, and what was done."""
    yield from _standing(deposit)
    yield from _parameters(deposit)
    date = deposit.committed.isoformat()
    done = {"agent": _AUTHORS, "endTime": date, "actionStatus": "http://schema.org/CompletedActionStatus"}
    note = "DVC keeps no times of stages: the time is that of the commit which holds what they made."
    settings = [_value(place) for place in deposit.settings]
    for place, name in enumerate(deposit.stages):
        stage = deposit.stages[name]
        tool = {"@id": _tool(deposit, name)}
        text = stage.get("do", stage)
        described = {"name": name, "description": text.get("desc", name), "position": str(place), "workExample": tool}
        yield {"@id": _step(name), "@type": "HowToStep", **described}
    yield {
        "@id": "#run",
        "@type": "CreateAction",
        "name": f"The run whose outputs commit {deposit.commit[:12]} holds",
        "description": note,
        "instrument": {"@id": WORKFLOW},
        "object": _one_or_all([_id(path, deposit) for path in deposit.given] + settings),
        "result": _one_or_all([_id(path, deposit) for path in deposit.made]),
        **done,
    }
    for name, run in deposit.lock.items():
        yield {
            "@id": _action(name),
            "@type": "CreateAction",
            "name": name,
            "description": note,
            "instrument": {"@id": _tool(deposit, name)},
            "object": _one_or_all([_id(path, deposit) for path in run.deps] + [_value(place) for place in _set(run)]),
            "result": _one_or_all([_id(path, deposit) for path in run.outs]),
            **done,
        }
        control = {"instrument": {"@id": _step(name)}, "object": {"@id": _action(name)}}
        yield {"@id": f"#control/{quote(name)}", "@type": "ControlAction", "name": f"DVC started {name}", **control}
    yield {
        "@id": "#organize",
        "@type": "OrganizeAction",
        "name": "DVC ran the stages",
        "instrument": _ENGINE,
        "object": [{"@id": f"#control/{quote(name)}"} for name in deposit.lock],
        "result": {"@id": "#run"},
        **done,
    }


def _standing(deposit: Deposit) -> Iterator[dict[str, Any]]:
    """Authors, languages, programs, licences, profiles and what is cited."""
    citation = deposit.citation
    yield {"@id": "#authors", "@type": "Organization", "name": ", ".join(author_names(citation))}
    yield {"@id": "#python", "@type": "ComputerLanguage", "name": "Python", "url": {"@id": "https://www.python.org/"}}
    dvc = {"name": "DVC", "url": {"@id": "https://dvc.org/"}}
    yield {"@id": "https://dvc.org/", "@type": "WebPage", "name": "DVC"}
    yield {"@id": "https://www.python.org/", "@type": "WebPage", "name": "Python"}
    yield {**_LANGUAGE, "@type": "ComputerLanguage", **dvc, "identifier": {"@id": "https://dvc.org/"}}
    yield {**_ENGINE, "@type": "SoftwareApplication", **dvc, "softwareVersion": deposit.engine}
    package = {"name": "precip-sae", "softwareVersion": str(citation["version"])}
    yield {"@id": _PACKAGE, "@type": "SoftwareApplication", **package}
    for spdx in sorted(set(deposit.licences.values())):
        yield {"@id": _licence(spdx), "@type": "CreativeWork", "name": spdx, "identifier": spdx}
    for profile, name in PROFILES.items():
        yield {"@id": profile, "@type": "CreativeWork", "name": name, "version": profile.rpartition("/")[2]}
    kinds = {"article": "ScholarlyArticle", "data": "CreativeWork"}
    for each in citation.get("references", []):
        said = {"name": each["title"], "datePublished": str(each["year"])}
        yield {"@id": f"https://doi.org/{each['doi']}", "@type": kinds.get(each["type"], "CreativeWork"), **said}


def _parameters(deposit: Deposit) -> Iterator[dict[str, Any]]:
    """What the workflow takes and gives, and what params.yaml said."""
    formal = {"conformsTo": {"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"}}
    for kind, names in (("input", deposit.given), ("output", deposit.made)):
        for name in names:
            of = "File" if name in deposit.files else "Dataset"
            said = {"name": name, "additionalType": of, "workExample": _id(name, deposit)}
            yield {"@id": f"#{kind}/{quote(name)}", "@type": "FormalParameter", **formal, **said}
    for place, value in deposit.settings.items():
        said = {"name": place, "additionalType": _NAMES.get(type(value), "Text"), "workExample": _value(place)}
        yield {"@id": f"#parameter/{quote(place)}", "@type": "FormalParameter", **formal, **said}
        plain = value if type(value) in _NAMES else json.dumps(value)
        example = {"name": place, "value": plain, "exampleOfWork": {"@id": f"#parameter/{quote(place)}"}}
        yield {**_value(place), "@type": "PropertyValue", **example}


def _set(run: Locked) -> dict[str, Any]:
    """The settings of one run, by their dotted place."""
    return {place: value for place, value in flat(run.params).items() if place}


def _tool(deposit: Deposit, name: str) -> str:
    """What a stage runs: its notebook, or this package."""
    notebook = f"notebooks/{name.partition('@')[0]}.ipynb"
    return notebook if notebook in deposit.files else _PACKAGE


def _step(name: str) -> str:
    return f"{WORKFLOW}#{quote(name.partition('@')[0])}"


def _action(name: str) -> str:
    return f"#stage/{quote(name)}"


def _value(place: str) -> dict[str, str]:
    return {"@id": f"#value/{quote(place)}"}


def _id(path: str, deposit: Deposit | None = None) -> dict[str, str]:
    """A reference to a file, or to a folder where the deposit has no file of that name."""
    return {"@id": quote(path) if deposit is None or path in deposit.files else f"{quote(path)}/"}


def _example(deposit: Deposit, name: str) -> dict[str, Any]:
    """That a file or folder is what the workflow took or gave under its name."""
    kinds = [kind for kind, names in (("input", deposit.given), ("output", deposit.made)) if name in names]
    return {"exampleOfWork": {"@id": f"#{kinds[0]}/{quote(name)}"}} if kinds else {}


def _one_or_all(references: list[dict[str, str]]) -> dict[str, str] | list[dict[str, str]]:
    """A list of one is written as that one."""
    return references[0] if len(references) == 1 else references


def _licence(spdx: str) -> str:
    return f"https://spdx.org/licenses/{spdx}"
