"""The whole of params.yaml, and what its sections demand of each other."""

from pydantic import Field, model_validator

from precip_sae.errors import closest
from precip_sae.settings.experiments import (
    CompanionSettings,
    ControlSettings,
    FeatureSettings,
    InspectorSettings,
    MeasureSettings,
    NoiseSettings,
    StandardSettings,
)
from precip_sae.settings.kinds import Section
from precip_sae.settings.known_truth import ColumnSettings, ToySettings, VariantSettings
from precip_sae.settings.search import SearchSettings
from precip_sae.settings.task import MOST_LATENTS, TaskSettings

# Folders below figures/ and models/ that belong to no task.
RESERVED = {
    "data", "published", "reductions", "search", "standards", "measures", "noise", "controls", "stability", "causes",
    "thresholds", "cards", "column", "toys", "variants", "companions", "ranking", "picked",
}  # fmt: skip


class SimulationSettings(Section):
    """The simulated observations (`precip-sae simulate`)."""

    records: int = Field(88_000, ge=200, le=2_000_000, description="5-minute records of precipitation to simulate")
    seed: int = Field(2025, ge=0, description="seed of the simulation; the same seed gives the same bytes")


class Settings(Section):
    """The whole of params.yaml."""

    simulation: SimulationSettings = SimulationSettings()
    tasks: dict[str, TaskSettings] = Field(min_length=1, description="one section per prediction problem")
    search: SearchSettings = SearchSettings()
    standards: dict[str, StandardSettings] = Field({}, description="task: the published network that it is held to")
    noise: dict[str, NoiseSettings] = Field({}, description="task: how far its reduction moves by chance")
    controls: dict[str, ControlSettings] = Field({}, description="task: what its SAEs are held against")
    measures: dict[str, MeasureSettings] = Field({}, description="task: measures of what its units respond to")
    companions: CompanionSettings = CompanionSettings()
    inspector: InspectorSettings = InspectorSettings()
    features: dict[str, FeatureSettings] = Field({}, description="task: how its latents are asked whether they hold up")
    column: ColumnSettings = ColumnSettings()
    toys: ToySettings | None = Field(None, description="toy models whose features are known")
    variants: dict[str, VariantSettings] = Field({}, description="task: the variants of SAE on its networks")

    @model_validator(mode="after")
    def _task_names(self) -> "Settings":
        for name in self.tasks:
            if not name.isidentifier():
                raise ValueError(f"the task name '{name}' is not letters, digits and underscores")
            if name in RESERVED:
                raise ValueError(f"the task name '{name}' is taken by a folder of figures or models")
        return self

    @model_validator(mode="after")
    def _file_keys(self) -> "Settings":
        for name, task in self.tasks.items():
            pool = self.search.tasks[name].pool if name in self.search.tasks else []
            bases = [name.partition("=")[0] for name in task.data.predictors if "=" in name]
            used = [*task.data.columns, *bases, *pool]
            for key in ("columns", "units"):
                if unused := [c for c in getattr(task.data.file, key) if c not in used]:
                    place = f"tasks.{name}.data.file.{key}"
                    raise ValueError(
                        f"{place} names '{unused[0]}', which the task does not use; {closest(unused[0], used)}"
                    )
        return self

    @model_validator(mode="after")
    def _standards(self) -> "Settings":
        for name, standard in self.standards.items():
            if name not in self.tasks:
                raise ValueError(f"standards.{name}: there is no task of that name; {closest(name, self.tasks)}")
            if standard.table != (table := self.tasks[name].data.table):
                raise ValueError(f"standards.{name}.table is {standard.table}, expected {table}, the task's")
        return self

    @model_validator(mode="after")
    def _on_tasks(self) -> "Settings":
        for section in ("measures", "noise", "controls", "features", "variants"):
            for name, chosen in getattr(self, section).items():
                if name not in self.tasks:
                    raise ValueError(f"{section}.{name}: there is no task of that name; {closest(name, self.tasks)}")
                if chosen.table != (table := self.tasks[name].data.table):
                    raise ValueError(f"{section}.{name}.table is {chosen.table}, expected {table}, the task's")
        return self

    @model_validator(mode="after")
    def _one_response(self) -> "Settings":
        for section in ("standards", "controls", "features"):
            for name in getattr(self, section):
                if self.tasks[name].data.several:
                    raise ValueError(
                        f"{section}.{name}: is about what networks say of one response, and tasks.{name}.data.response "
                        "names several; it has to be left out"
                    )
        return self

    @model_validator(mode="after")
    def _several_networks(self) -> "Settings":
        for section in ("noise", "controls", "features"):
            for name in getattr(self, section):
                if self.tasks[name].mlp.network is not None:
                    raise ValueError(
                        f"{section}.{name}: is about networks of several seeds, and tasks.{name}.mlp.network names "
                        "one; it has to be left out"
                    )
        return self

    @model_validator(mode="after")
    def _features(self) -> "Settings":
        for name, asked in self.features.items():
            data = self.tasks[name].data
            if unknown := [column for column in asked.along if column not in data.predictors]:
                raise ValueError(
                    f"features.{name}.along names '{unknown[0]}', no predictor of the task; "
                    f"{closest(unknown[0], data.predictors)}"
                )
            if asked.labels and data.kind == "regression":
                raise ValueError(f"features.{name}.labels belongs to a classification, and {name} is a regression")
        return self

    @model_validator(mode="after")
    def _searches(self) -> "Settings":
        for name, subsets in self.search.tasks.items():
            place = f"search.tasks.{name}"
            if name not in self.tasks:
                raise ValueError(f"{place}: there is no task of that name; {closest(name, self.tasks)}")
            data, sae = self.tasks[name].data, self.tasks[name].sae
            if self.tasks[name].mlp.network is not None:
                raise ValueError(f"{place}: a search trains networks, and tasks.{name}.mlp.network names one")
            if data.folds is not None:
                raise ValueError(f"{place}: a search has one set of parts, and tasks.{name}.data.folds cuts several")
            if sae.latents > MOST_LATENTS:
                raise ValueError(
                    f"tasks.{name}.sae.latents is {sae.latents}, expected at most {MOST_LATENTS} of a search"
                )
            if subsets.table != data.table:
                raise ValueError(f"{place}.table is {subsets.table}, expected {data.table}, the task's")
            if both := [response for response in data.responses if response in subsets.pool]:
                raise ValueError(f"{place}.pool names {both[0]}, the response")
            if not set(data.predictors) <= set(subsets.pool) or len(data.predictors) != subsets.size:
                continue
            # the task's own subset is among those searched: make it the very same models
            if [c for c in subsets.pool if c in data.predictors] != data.predictors:
                raise ValueError(
                    f"{place}.pool names the task's predictors in another order, expected {', '.join(data.predictors)}"
                )
            if {c: t for c, t in subsets.transforms.items() if c in data.predictors} != data.transforms:
                own = ", ".join(f"{column}: {name}" for column, name in data.transforms.items())
                raise ValueError(f"{place}.transforms differs from the task's, expected {own or 'none'} of its inputs")
        return self
