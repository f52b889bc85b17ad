"""Settings of a run: schema, files, command line. Imports no torch, so that a mistake in a config is reported at once."""

from petlib.config.defaults import PETLIB_SCHEMA
from petlib.config.key import Effect, Key, Schema, Switch, merge_schemas, used_if, with_defaults, with_effect
from petlib.config.layers import override_layer, read_layers
from petlib.config.load import TaskConfig, default_output_folder, load_cfg, name_run
from petlib.config.nested import Component, NestedConfig, nested_of, read_nested
from petlib.config.node import CfgNode, keys_in_errors
from petlib.errors import ConfigError, name_in_errors

__all__ = [
    "PETLIB_SCHEMA",
    "CfgNode",
    "Component",
    "ConfigError",
    "Effect",
    "Key",
    "NestedConfig",
    "Schema",
    "Switch",
    "TaskConfig",
    "default_output_folder",
    "load_cfg",
    "merge_schemas",
    "keys_in_errors",
    "name_in_errors",
    "name_run",
    "nested_of",
    "override_layer",
    "read_layers",
    "read_nested",
    "used_if",
    "with_defaults",
    "with_effect",
]
