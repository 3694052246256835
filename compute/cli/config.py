"""The settings for commands: an unusable one ends the command with its text and exit code 2."""

import os

import click

from compute.env import Config, SettingsError, load


class UnusableSettingsError(click.ClickException):
    """The command cannot start with the settings given."""

    exit_code = 2


def load_config(**overrides: str) -> Config:
    """Return the settings; `overrides` (by field name) win over the environment."""
    try:
        config = read_config(**overrides)
        config.key()
    except SettingsError as error:
        raise UnusableSettingsError(str(error)) from None
    except OSError as error:
        text = f"COMPUTE_DATA_DIR: {error.filename} cannot be used: {error.strerror}"
        raise UnusableSettingsError(text) from None
    return config


def read_config(**overrides: str) -> Config:
    """Return the settings as they are given; no file is made, no database needed."""
    given = {f"COMPUTE_{name.upper()}": value for name, value in overrides.items()}
    try:
        return load({**os.environ, **given})
    except SettingsError as error:
        raise UnusableSettingsError(str(error)) from None
