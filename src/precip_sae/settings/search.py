"""Every subset of inputs."""

import math
from typing import Literal

from pydantic import Field, model_validator

from precip_sae.settings.kinds import Count, Section, Seeds, Transform

# More models than this are a mistake in pool or size, not a search.
MOST_MODELS = 5_000_000


class SubsetSettings(Section):
    """Which input subsets of a task are tried; networks, SAEs and thresholds are the task's own."""

    table: str = Field(description="the task's table, once more: DVC has to see it here")
    pool: list[str] = Field(min_length=1, max_length=64, description="columns that subsets are drawn from, in order")
    size: Count = Field(5, description="inputs of each network")
    transforms: dict[str, Transform] = Field({}, description="column of the pool: its transform, as in data")
    seeds: Seeds = Field(list(range(10)), description="networks trained on each subset: a list, or a number")
    engine: Literal["compiled", "cuda"] = Field(
        "compiled", description="who trains: compiled (the engine, on CPUs) or cuda (one GPU); the same bytes"
    )

    @model_validator(mode="after")
    def _consistent(self) -> "SubsetSettings":
        if repeated := sorted({p for p in self.pool if self.pool.count(p) > 1}):
            raise ValueError(f"pool names {', '.join(repeated)} more than once")
        if self.size > len(self.pool):
            raise ValueError(f"size is {self.size}, expected at most {len(self.pool)}, the number of columns in pool")
        if unknown := [c for c in self.transforms if c not in self.pool]:
            raise ValueError(f"transforms names {', '.join(unknown)}, which is not in pool")
        if (models := math.comb(len(self.pool), self.size) * len(self.seeds)) > MOST_MODELS:
            raise ValueError(f"{models} models would be trained, expected at most {MOST_MODELS}")
        return self


class SearchSettings(Section):
    """Every input subset, with several seeds."""

    scheduler: str = Field(
        "local",
        pattern=r"^(local|local-cluster|(tcp|tls)://[^\s:]+:\d+)$",
        description="where the models are trained: local (threads of this process), local-cluster (Dask, processes "
        "on this machine) or tcp://host:port of a Dask scheduler; the results are the same bytes",
    )
    workers: Count | None = Field(None, description="local: threads, local-cluster: processes; null: one per CPU")
    tasks: dict[str, SubsetSettings] = Field({}, description="which tasks are searched, and how")
