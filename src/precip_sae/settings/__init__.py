"""Typed settings: the one source of the names, defaults and descriptions of every choice of the study.

`params.yaml` is read as YAML 1.2 (as DVC reads it: `1e-3` is a number) and unknown keys are refused.
"""

from precip_sae.settings.data import DataSettings, FileSettings
from precip_sae.settings.experiments import CompanionSettings, InspectorSettings, StandardSettings
from precip_sae.settings.kinds import L1Convention, Section, Transform, VariantName
from precip_sae.settings.known_truth import (
    ColumnSettings,
    DeepTraining,
    DescentSettings,
    DictionarySettings,
    ToySettings,
    VariantSettings,
)
from precip_sae.settings.read import load_settings, parse, project_settings, read_yaml
from precip_sae.settings.search import SubsetSettings
from precip_sae.settings.task import (
    MOST_HIDDEN,
    MOST_LATENTS,
    MLPSettings,
    SAESettings,
    SensitivitySettings,
    TaskSettings,
)
from precip_sae.settings.whole import Settings, SimulationSettings

__all__ = [
    "MOST_HIDDEN",
    "MOST_LATENTS",
    "ColumnSettings",
    "CompanionSettings",
    "DataSettings",
    "DeepTraining",
    "DescentSettings",
    "DictionarySettings",
    "FileSettings",
    "InspectorSettings",
    "L1Convention",
    "MLPSettings",
    "SAESettings",
    "Section",
    "SensitivitySettings",
    "Settings",
    "SimulationSettings",
    "StandardSettings",
    "SubsetSettings",
    "TaskSettings",
    "ToySettings",
    "Transform",
    "VariantName",
    "VariantSettings",
    "load_settings",
    "parse",
    "project_settings",
    "read_yaml",
]
